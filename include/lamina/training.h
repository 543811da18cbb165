#pragma once
#include <lamina/losses.h>
#include <lamina/metrics.h>
#include <lamina/model.h>
#include <lamina/optimizers.h>
#include <lamina/sample_weights.h>

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// What `Model::compile`, `fit` and `evaluate` take and give.
namespace lamina {

class Callback;
class DataLoader;

/// Numbers by name, in the order in which Keras shows them: "accuracy", "loss", "val_loss".
using Logs = std::map<std::string, double>;

/// An optimizer, or the name of one with Keras's defaults.
struct OptimizerArgument {
  OptimizerArgument(OptimizerPtr given) : optimizer(std::move(given)) {}     // NOLINT: implicit
  OptimizerArgument(const char* name) : optimizer(optimizers::get(name)) {}  // NOLINT
  OptimizerPtr optimizer;
};

/// One loss for every output of the model, or one for each: {"mse", losses::Huber()} in the order
/// of the outputs, {{"b", losses::Huber()}, {"a", "mse"}} by their names, all of them: those of the
/// layers that they come from, or the keys of the dict that a model of Keras's has them in, which
/// is in the order of its keys. A loss, or the name of one.
struct LossArgument {
  struct One {
    One(LossPtr given) : loss(std::move(given)) {}      // NOLINT: implicit
    One(const char* name) : loss(losses::get(name)) {}  // NOLINT
    LossPtr loss;
  };
  LossArgument() = default;
  LossArgument(LossPtr loss) : losses{std::move(loss)} {}        // NOLINT: implicit
  LossArgument(const char* name) : losses{losses::get(name)} {}  // NOLINT
  LossArgument(std::initializer_list<One> each) {
    for (const One& one : each) losses.push_back(one.loss);
  }
  LossArgument(std::initializer_list<std::pair<std::string, One>> by_output) {
    for (const auto& [output, one] : by_output) {
      outputs.push_back(output);
      losses.push_back(one.loss);
    }
  }
  std::vector<LossPtr> losses;
  std::vector<std::string> outputs;  ///< whose they are; empty: in the order of the outputs
};

/// What each output's loss counts in the sum: {1.0, 0.5} in the order of the outputs, or
/// {{"b", 0.5}, {"a", 1.0}} by their names, all of them; `{}`: 1 each. As in Keras, other names are
/// ignored where the losses are given by names too, and one weight is that of the one loss of a
/// model with one output, whatever its name. Where the losses of several outputs are not given by
/// names, other names are refused: Keras would apply one weight to all outputs, and several by
/// their alphabetical order.
struct LossWeights {
  LossWeights() = default;
  LossWeights(std::vector<double> each) : weights(std::move(each)) {}  // NOLINT: implicit
  LossWeights(std::initializer_list<double> each) : weights(each) {}
  LossWeights(std::initializer_list<std::pair<std::string, double>> by_output) {
    for (const auto& [output, weight] : by_output) {
      outputs.push_back(output);
      weights.push_back(weight);
    }
  }
  std::vector<double> weights;
  std::vector<std::string> outputs;  ///< whose they are; empty: in the order of the outputs
};

/// A metric, or the name of one (see metrics::get), or a list of these; `{}` is none. Or an
/// output's name and its list, in braces of its own: {"a", {"accuracy", "mse"}}.
struct MetricArgument {
  struct One {
    std::string name;
    MetricPtr metric;  ///< null: the one of that name
  };
  MetricArgument(MetricPtr given) : all{One{{}, std::move(given)}} {}   // NOLINT: implicit
  MetricArgument(const char* keras_name) : all{One{keras_name, {}}} {}  // NOLINT
  MetricArgument(std::string keras_name) : all{One{std::move(keras_name), {}}} {}  // NOLINT
  MetricArgument(std::initializer_list<MetricArgument> each);
  std::vector<One> all;
  bool is_list = false;
  std::optional<std::string> output = {};  ///< whose they are; none: by their place
};

struct CompileArguments {
  OptimizerArgument optimizer = "rmsprop";
  LossArgument loss;
  /// Those of a model with one output, all of them, whatever names they are given by (as in Keras).
  /// With several outputs, none at all or an entry for each:
  /// {"accuracy", "mae"} gives output "a" the log "a_accuracy" and "b" the log "b_mae";
  /// {{"accuracy", "mse"}, {}} gives "a" two and "b" none. Or entries by the outputs' names, for
  /// some of them: {{"b", {"mae"}}}. Another number of entries, and other names, are a ValueError
  /// when the first batch comes, as they are for losses.
  std::vector<MetricArgument> metrics = {};
  /// The same, of metrics that `sample_weight` and `class_weight` weight. One whose log would have
  /// the name of another's has "weighted_" before the metric's: "weighted_mae", "a_weighted_mae".
  std::vector<MetricArgument> weighted_metrics = {};
  LossWeights loss_weights = {};
  /// Wraps the optimizer of a model of the policy "mixed_float16" in a LossScaleOptimizer.
  bool auto_scale_loss = true;
};

/// Arrays of equal length along their first axis: the model's inputs, a label array for each
/// output, and at will weights of the losses.
struct DataSet {
  DataSet() = default;
  DataSet(Tensor input, Tensor label, SampleWeights weight = {})
      : x{std::move(input)}, y{std::move(label)}, sample_weight(std::move(weight)) {}
  DataSet(std::vector<Tensor> inputs, std::vector<Tensor> labels, SampleWeights weight = {})
      : x(std::move(inputs)), y(std::move(labels)), sample_weight(std::move(weight)) {}
  std::vector<Tensor> x, y;
  SampleWeights sample_weight;
};

/// At the end of which epochs is validated: of every so many, or of those of a list, {1, 2, 10},
/// where the first one is 1.
struct ValidationFreq {
  ValidationFreq(std::int64_t epochs) : every(epochs) {}                   // NOLINT: implicit
  ValidationFreq(std::vector<std::int64_t> list) : of(std::move(list)) {}  // NOLINT: implicit
  ValidationFreq(std::initializer_list<std::int64_t> list) : of(list) {}
  std::optional<std::int64_t> every = {};
  std::vector<std::int64_t> of = {};
};

/// How `fit` and `evaluate` show what they do, on standard error.
enum class Verbose : std::uint8_t {
  kAuto,  ///< a bar on a terminal, else a line an epoch
  kSilent,
  kBar,
  kLine,
};

struct FitOptions {
  /// Of arrays. None: 32, or with `steps_per_epoch` what makes so many batches of all samples.
  std::optional<std::int64_t> batch_size = {};
  /// Ends before this one, counted from 0.
  std::int64_t epochs = 1;
  Verbose verbose = Verbose::kAuto;
  std::vector<std::shared_ptr<Callback>> callbacks = {};
  /// The last part of arrays, not shuffled, for validation: in [0, 1). Has no effect beside
  /// `validation_data`.
  double validation_split = 0.0;
  /// Arrays, or a data loader.
  std::variant<std::monostate, DataSet, std::shared_ptr<DataLoader>> validation_data = {};
  ValidationFreq validation_freq = 1;
  /// Of arrays. None: `batch_size`, or without one as that, with `validation_steps`.
  std::optional<std::int64_t> validation_batch_size = {};
  /// Validates on the first so many batches, the same ones each time; fewer, with a warning, where
  /// there are fewer. None: on all. An endless loader needs it.
  std::optional<std::int64_t> validation_steps = {};
  /// A new order of the samples each epoch; of a data loader's batches, if they end. An endless
  /// loader is warned of and left as it is.
  bool shuffle = true;
  /// What a sample's loss counts by its class; classes that are not named count 1. For models with
  /// one output, whose labels are classes or one-hot rows, one a sample. With `sample_weight`,
  /// which then has to be one a sample, the two are multiplied (Keras refuses both together).
  std::map<std::int64_t, double> class_weight = {};
  /// Of arrays: what losses count each sample, or each row. `metrics` do not look at it,
  /// `weighted_metrics` do.
  SampleWeights sample_weight = {};
  /// Begins with this one: of a run that goes on where another ended.
  std::int64_t initial_epoch = 0;
  /// Batches an epoch. The next epoch goes on where one stopped; the data begin anew with the epoch
  /// after the one that reached their end, which is shorter, with a warning, where fewer were left.
  /// None: all. An endless loader needs it.
  std::optional<std::int64_t> steps_per_epoch = {};
  /// Of the order of samples and of dropout. Default: of the global generator (set_random_seed).
  std::optional<std::uint64_t> seed = {};
  /// A checkpoint that a callback saved during such a `fit`: weights, optimizer, and where it was.
  /// With the same data and options, training goes on to the same bits as if it had not stopped; a
  /// run that a callback had stopped ends at once. Where several callbacks save, a file of the one
  /// that saves last (SaveTurn): what it says of the others' files is then so.
  std::filesystem::path resume_from = {};
};

struct EvaluateOptions {
  /// Of arrays. None: 32, or with `steps` what makes so many batches of all samples.
  std::optional<std::int64_t> batch_size = {};
  Verbose verbose = Verbose::kAuto;
  /// As FitOptions::sample_weight.
  SampleWeights sample_weight = {};
  /// Takes the first so many batches; fewer, with a warning, where there are fewer. None: all.
  std::optional<std::int64_t> steps = {};
};

/// What `fit` gives back: the logs of each epoch that it trained.
struct History {
  std::vector<std::int64_t> epoch;  ///< from 0
  /// By the name of a log. Those of validation have a number for each epoch that was validated.
  std::map<std::string, std::vector<double>> history;
};

}  // namespace lamina
