#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/run/graph_watch.h"
#include "training/fit/data.h"
#include "training/fit/device_losses.h"
#include "training/fit/sent_batch.h"
#include "training/graph/graph_cache.h"
#include "training/optimizers/penalties.h"

namespace lamina::training {

/// What `compile` makes of a model: its losses, metrics and optimizer, and graphs for the batches'
/// shapes. Lives in the model.
class Trainer {
 public:
  Trainer(Model& model, CompileArguments arguments);

  /// Forward, backward, update; the metrics gather the batch. All or nothing: throws ValueError for
  /// data that do not suit the model, the losses or the metrics, and OutOfMemoryError, before
  /// weights, moving averages and metrics have changed. Where a device computes, the batch `ahead`
  /// travels to it meanwhile, if there is a graph for its shapes already; of what that fails
  /// nothing is said before its own step.
  void train(const Batch& batch, const Ahead& ahead = {});
  /// Forward as in prediction; the metrics gather the batch. The batch `ahead` travels likewise.
  void test(const Batch& batch, const Ahead& ahead = {});

  /// Batches trained: the optimizer's steps and those that it skipped. Settles what dropout drops.
  [[nodiscard]] std::int64_t step() const {
    return arguments_.optimizer.optimizer->steps() + skipped_;
  }
  /// Goes on from there, the optimizer's steps being what they are.
  void set_step(std::int64_t step) { skipped_ = step - optimizer().steps(); }

  /// The metrics' results so far.
  [[nodiscard]] Logs logs() const;
  /// Of the last batch trained.
  [[nodiscard]] double batch_loss() const noexcept { return batch_loss_; }
  /// Of a log, without its "val_".
  [[nodiscard]] std::optional<Direction> direction(std::string_view log) const;
  void reset_metrics();
  /// What the metrics have gathered: as many numbers as the first batch settles.
  [[nodiscard]] std::vector<double> metric_state() const;
  void set_metric_state(const std::vector<double>& state);

  /// Makes metrics, optimizer state and checks for data of these shapes; metrics anew where the
  /// model has gained or lost layers since.
  void prepare(const Batch& batch);
  /// Throws ValueError when layers were frozen, unfrozen, added or removed since the optimizer
  /// was built.
  void require_same_trainable();

  /// What `compile` was given.
  [[nodiscard]] const CompileArguments& arguments() const noexcept { return arguments_; }
  [[nodiscard]] Optimizer& optimizer() { return *arguments_.optimizer.optimizer; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  void set_seed(std::uint64_t seed) noexcept { seed_ = seed; }

 private:
  struct NamedMetric {
    std::string name;
    MetricPtr metric;
    std::size_t output;
    bool weighted;
  };

  /// What the model gives for a batch; masks are undefined where an output has none.
  struct Predictions {
    const std::vector<Tensor>& outputs;
    const std::vector<Tensor>& masks;
  };

  void make_metrics(const Batch& batch);
  enum class Weighting : bool { kNone, kOfSamples };
  /// Adds what `compile` was given; `taken` are the logs' names so far.
  void add_metrics(const Batch& batch, Weighting weighting, std::vector<std::string>& taken);
  /// What of a step may fail; gives the loss.
  double step(TrainGraph& graph, const Batch& batch, const Ahead& ahead);
  /// Its parts, once forward is begun: with the losses' gradients computed on the host, and on the
  /// device, which then does not wait for the host between forward and backward.
  double finish_with_host(TrainGraph& graph, const Batch& batch, const Ahead& ahead);
  double finish_without_host(TrainGraph& graph, const Batch& batch, BatchLabels& labels,
                             const Ahead& ahead);
  /// Whether the graph wants gradients, and the latter can be.
  [[nodiscard]] bool has_device_losses(const TrainGraph& graph) const;
  /// Has a batch made ready, and sent where the graph computes. Throws for labels that do not fit.
  [[nodiscard]] std::shared_ptr<SentBatch> send(TrainGraph& graph, const Batch& batch,
                                                RandomState random) const;
  /// Gives the graph a batch, which may have been sent.
  std::shared_ptr<SentBatch> begin(TrainGraph& graph, const Batch& batch, RandomState random) const;
  /// Sends the batch that comes next while one of the graphs is at work.
  void send_ahead(const GraphCache& graphs, const TrainGraph& at_work, const Ahead& ahead,
                  RandomState random) const;
  [[nodiscard]] RandomState random_at(std::int64_t step) const {
    return {seed_, static_cast<std::uint64_t>(step)};
  }
  /// The weighted sum of the outputs' losses, which `value_of` gives.
  double total_loss(const Batch& batch, const std::function<double(std::size_t)>& value_of);
  /// The same on the host alone; with `gradients`, their derivatives as well.
  double total_loss(const Batch& batch, const Predictions& predicted,
                    std::vector<Tensor>* gradients);
  /// The run is lost: from this batch on its loss is NaN.
  void lose();
  void gather(const Batch& batch, const Predictions& predicted, double loss);

  Model& model_;
  CompileArguments arguments_;
  std::vector<LossPtr> losses_;  ///< of each output, from the first batch on
  std::vector<double> loss_weights_;
  std::uint64_t seed_ = 0;
  double batch_loss_ = 0;
  std::int64_t skipped_ = 0;  ///< batches whose gradients overflowed (LossScaleOptimizer)
  GraphCache graphs_;
  GraphCache evaluation_graphs_;  ///< where activities add to the loss
  std::optional<DeviceLosses> device_losses_;
  KnownPenalty weight_penalty_;  ///< in evaluation
  metrics::Mean loss_{"loss"};
  std::vector<metrics::Mean> output_losses_;
  std::vector<NamedMetric> metrics_;
  bool prepared_ = false;
  bool adds_activities_ = false;   ///< to the loss, in evaluation as the graphs do in training
  std::optional<bool> has_masks_;  ///< whether outputs have; once that has been asked
  models::GraphWatch layers_;
  bool stale_ = true;  ///< what was asked of the model, and the metrics made for it
};

}  // namespace lamina::training
