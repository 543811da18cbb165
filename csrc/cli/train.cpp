#include <fmt/format.h>
#include <lamina/error.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cli/arrays.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_spec.h"
#include "cli/run_checkpoints.h"
#include "cli/train_callbacks.h"
#include "cli/train_compile.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string model, weights, weights_out, history, tensorboard, checkpoint_dir, device = "cpu";
  std::vector<std::string> data, labels, validation_data, validation_labels;
  CompileWords compile;
  std::int64_t epochs = 1, batch_size = 32, checkpoint_every = 100;
  std::size_t max_to_keep = 5;
  std::optional<std::uint64_t> seed;
  bool no_shuffle = false, resume = false;
};

void check(const Arguments& a) {
  if (a.resume && a.checkpoint_dir.empty()) {
    throw ValueError(
        "--resume needs --checkpoint-dir: the newest checkpoint there is gone on from");
  }
  if (a.validation_data.empty() != a.validation_labels.empty()) {
    throw ValueError("--validation-data and --validation-labels belong together");
  }
  const bool keeps_model = !a.weights_out.empty() || !a.checkpoint_dir.empty();
  if (!keeps_model && a.history.empty() && a.tensorboard.empty()) {
    throw ValueError(
        "Nothing would be left of this training: --weights-out or --checkpoint-dir keeps the "
        "weights, --history or --tensorboard how it went");
  }
  if (!a.weights_out.empty()) require_place_for_model(a.weights_out, false);
}

/// Null without a directory.
std::shared_ptr<RunCheckpoints> checkpoints_of(const Arguments& a) {
  if (a.checkpoint_dir.empty()) return nullptr;
  auto checkpoints = std::make_shared<RunCheckpoints>(a.checkpoint_dir, a.max_to_keep);
  const auto newest = checkpoints->latest();
  if (!newest || a.resume) return checkpoints;
  // The steps of a new run are smaller: what it saves would be the first to be removed.
  throw ValueError(
      fmt::format("'{}' holds the checkpoints of another run, the newest that of step {}: go on "
                  "from it with --resume, or give a new run another --checkpoint-dir",
                  a.checkpoint_dir, *newest));
}

FitOptions fit_options(const Arguments& a, const std::shared_ptr<RunCheckpoints>& checkpoints,
                       fs::path resume_from) {
  FitOptions options;
  options.batch_size = a.batch_size;
  options.epochs = a.epochs;
  options.shuffle = !a.no_shuffle;
  options.seed = a.seed;
  options.resume_from = std::move(resume_from);
  if (!a.validation_data.empty()) {
    options.validation_data =
        DataSet(read_arrays(a.validation_data), read_arrays(a.validation_labels));
  }
  CallbackPtr board;
  if (!a.tensorboard.empty()) board = callbacks::TensorBoard({.log_dir = a.tensorboard});
  options.callbacks.push_back(watch_steps(a.history, std::move(board), checkpoints));
  if (checkpoints) options.callbacks.push_back(save_steps(checkpoints, a.checkpoint_every));
  return options;
}

void train(const Arguments& a) {
  check(a);
  const Device device = Device::from_name(a.device);
  const std::shared_ptr<RunCheckpoints> checkpoints = checkpoints_of(a);
  const std::vector<Tensor> x = read_arrays(a.data), y = read_arrays(a.labels);
  if (a.seed) set_random_seed(*a.seed);
  const ModelPtr model = make_model(a.model, Compiled::kAsSaved);
  require_savable(*model, a.weights_out);
  model->to(device);
  compile_by(a.compile, *model, a.model, !a.weights.empty());
  // After compile, so that an optimizer in the file goes on too.
  if (!a.weights.empty()) load_weights(*model, a.weights);
  const auto fit = [&](const fs::path& resume_from) {
    (void)model->fit(x, y, fit_options(a, checkpoints, resume_from));
  };
  a.resume ? checkpoints->resume(fit) : fit({});
  if (!a.weights_out.empty()) save_model(*model, a.weights_out);
}

CLI::Option* add_arrays(CLI::App& command, const char* name, std::vector<std::string>& into,
                        const char* help) {
  return command.add_option(name, into, help)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name(kArray);
}

void add_data_options(CLI::App& command, Arguments& a) {
  add_arrays(command, "--data", a.data, "samples; once for each input, in the model's order")
      ->required();
  add_arrays(command, "--labels", a.labels, "labels; once for each output")->required();
  add_arrays(
      command, "--validation-data", a.validation_data,
      "samples that are not trained on: their loss and metrics are shown after each epoch, on "
      "standard error");
  add_arrays(command, "--validation-labels", a.validation_labels, "their labels");
  command
      .add_option("--weights", a.weights,
                  "weights to begin with, and the optimizer's state if it is there and fits")
      ->type_name("IN");
  command
      .add_option("--weights-out", a.weights_out,
                  "where to write weights and optimizer, or as .keras the whole model")
      ->type_name("OUT");
}

CLI::Option* add_count(CLI::App& command, const char* name, std::int64_t& into, const char* help) {
  return command.add_option(name, into, help)
      ->capture_default_str()
      ->transform(whole_number(1))
      ->type_name("N");
}

void add_training_options(CLI::App& command, Arguments& a) {
  command
      .add_option("--loss", a.compile.loss,
                  "one of Keras's with options, as SparseCategoricalCrossentropy:from_logits=true; "
                  "without it that of a MODEL that was compiled")
      ->type_name("LOSS");
  command
      .add_option(
          "--optimizer", a.compile.optimizer,
          "one of Keras's with options, as Adam:learning_rate=0.001; a schedule in "
          "parentheses, as SGD:learning_rate=CosineDecay(initial_learning_rate=0.1,"
          "decay_steps=1000); without it that of a MODEL that was compiled, which goes on with the "
          "state that a .keras file holds, or else RMSprop")
      ->type_name("OPTIMIZER");
  command
      .add_option("--metric", a.compile.metrics,
                  "a metric to show, as accuracy, or with options as AUC:curve=PR; may be given "
                  "again, and is for a model of several outputs once for each; without it those of "
                  "a MODEL that was compiled")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME");
  add_count(command, "--epochs", a.epochs, "passes over the data");
  add_count(command, "--batch-size", a.batch_size, "samples a step");
  command.add_flag("--no-shuffle", a.no_shuffle, "take the samples in their order");
  command.add_option("--seed", a.seed, "of initial weights, order of samples and dropout")
      ->transform(whole_number(0, std::numeric_limits<std::uint64_t>::max()))
      ->type_name("N");
}

void add_run_options(CLI::App& command, Arguments& a) {
  CLI::Option* directory =
      command
          .add_option("--checkpoint-dir", a.checkpoint_dir,
                      "where checkpoints go, as step_00000120/model.weights.h5; a new run needs "
                      "one without checkpoints")
          ->type_name("DIR");
  add_count(command, "--checkpoint-every", a.checkpoint_every,
            "steps from checkpoint to checkpoint; the end has one too")
      ->needs(directory);
  command.add_option("--max-to-keep", a.max_to_keep, "how many of the newest stay; 0: all")
      ->capture_default_str()
      ->transform(whole_number(0))
      ->type_name("N")
      ->needs(directory);
  command.add_flag("--resume", a.resume,
                   "go on from the newest sound checkpoint in DIR, if there is one, to the same "
                   "bits as if the run had not stopped");
  command
      .add_option("--history", a.history,
                  "a line a step, as CSV: step, epoch, loss, metrics, learning rate")
      ->type_name("OUT.csv");
  command
      .add_option("--tensorboard", a.tensorboard,
                  "where to write what TensorBoard shows of each epoch, in train/ and validation/")
      ->type_name("DIR");
  command.add_option("--device", a.device, "where to compute: cpu, or cuda:0 and so on")
      ->capture_default_str()
      ->type_name("NAME");
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a model on arrays of .npy and HDF5 files");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, kModelHelp)->required();
  add_data_options(*command, *arguments);
  add_training_options(*command, *arguments);
  add_run_options(*command, *arguments);
  command->callback([arguments] { train(*arguments); });
}

}  // namespace lamina::cli
