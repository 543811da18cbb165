#include "training/fit/trainer.h"

#include <fmt/format.h>
#include <lamina/log.h>

#include <algorithm>
#include <limits>

#include "models/keras/nested_functional.h"
#include "training/fit/by_output.h"
#include "training/graph/lacked_options.h"
#include "training/losses/labels.h"

namespace lamina::training {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// "name", or "name_1" where there is one already.
std::string unique_name(const std::string& name, const std::vector<std::string>& taken) {
  std::string out = name;
  for (int i = 1; contains(taken, out); ++i) {
    out = fmt::format("{}_{}", name, i);
  }
  return out;
}

/// As weights of rows, what a mask and weights of samples leave: either may be undefined.
Tensor masked_weights(const Tensor& weights, const Tensor& mask) {
  if (!mask.defined()) return weights;
  const Tensor kept = mask.cast(DType::kFloat32);
  if (!weights.defined()) return kept;
  std::vector<float> out = row_weights(weights, mask.shape());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] *= kept.data<float>()[i];
  return Tensor::from(out, mask.shape());
}

/// Runs a loss on labels `y` of the batch; of a label that is none it says whose it is.
template <class F>
auto naming_samples(const Batch& batch, const Tensor& y, const F& compute) {
  try {
    return compute();
  } catch (const LabelError& error) {
    const auto each = static_cast<std::size_t>(y.size() / y.shape()[0]);
    const std::string sample =
        batch.origin.sample(static_cast<std::int64_t>(error.position() / each));
    throw ValueError(error.message(
        each == 1 ? "of " + sample
                  : fmt::format("at position {} of {}", error.position() % each, sample)));
  }
}

}  // namespace

Trainer::Trainer(Model& model, CompileArguments arguments)
    : model_(model),
      arguments_(std::move(arguments)),
      graphs_(model),
      evaluation_graphs_(model, TrainGraph::Mode::kEvaluation) {
  if (!arguments_.optimizer.optimizer) throw ValueError("`compile` needs an optimizer.");
  if (arguments_.loss.losses.empty() ||
      std::find(arguments_.loss.losses.begin(), arguments_.loss.losses.end(), nullptr) !=
          arguments_.loss.losses.end()) {
    throw ValueError("`compile` needs a loss.");
  }
  refuse_lacked_options(model_);
}

void Trainer::prepare(const Batch& batch) {
  const SymbolicTensors outputs = model_.outputs();
  if (batch.y.size() != outputs.size()) {
    throw ValueError(fmt::format("Model '{}' has {} outputs; received {} label arrays.",
                                 model_.name(), outputs.size(), batch.y.size()));
  }
  stale_ = layers_.changed(model_) || stale_;  // still, where the last time something was refused
  if (!stale_) return;
  refuse_lacked_options(model_);  // those of layers that have been built or added since
  if (!prepared_) {
    const std::vector<std::string> names = models::output_names(model_);
    losses_ = losses_by_output(arguments_.loss, names, model_.name());
    loss_weights_ = weights_by_output(arguments_.loss_weights, arguments_.loss, names);
  }
  make_metrics(batch);
  adds_activities_ = has_activity_regularizers(model_);
  has_masks_.reset();
  if (!prepared_) {
    optimizer().build(model_.trainable_variables());
    model_.prepare_saving();  // now, while plans are made, rather than in the first save
    prepared_ = true;
  }
  stale_ = false;
}

void Trainer::make_metrics(const Batch& batch) {
  output_losses_.clear();
  metrics_.clear();
  std::vector<std::string> taken = {"loss"};
  if (batch.y.size() > 1) {
    for (const std::string& output : models::output_names(model_)) {
      output_losses_.emplace_back(unique_name(output + "_loss", taken));
      taken.push_back(output_losses_.back().name());
    }
  }
  add_metrics(batch, Weighting::kNone, taken);
  add_metrics(batch, Weighting::kOfSamples, taken);
}

void Trainer::add_metrics(const Batch& batch, Weighting weighting,
                          std::vector<std::string>& taken) {
  const bool weighted = weighting == Weighting::kOfSamples;
  const SymbolicTensors outputs = model_.outputs();
  const std::vector<std::string> names = models::output_names(model_);
  const std::vector<MetricArgument> each =
      weighted ? metrics_by_output(arguments_.weighted_metrics, names, "weighted_metrics")
               : metrics_by_output(arguments_.metrics, names, "metrics");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Shape& predictions = outputs[i].shape();
    const std::string prefix = outputs.size() > 1 ? names[i] + "_" : "";
    for (const MetricArgument::One& wanted : each[i].all) {
      MetricPtr metric = wanted.metric ? wanted.metric
                                       : metrics::get(wanted.name, batch.y[i].shape(), predictions);
      metric->build(batch.y[i].shape(), predictions);
      std::string name = prefix + metric->name();
      if (weighted && contains(taken, name)) name = prefix + "weighted_" + metric->name();
      metrics_.push_back({unique_name(name, taken), std::move(metric), i, weighted});
      taken.push_back(metrics_.back().name);
    }
  }
}

void Trainer::require_same_trainable() {
  if (!prepared_ || model_.trainable_variables() == optimizer().trainable_variables()) return;
  throw ValueError(fmt::format(
      "Layers of model '{}' were frozen, unfrozen, added or removed since it was trained: call "
      "`compile` again, with a new optimizer.",
      model_.name()));
}

double Trainer::total_loss(const Batch& batch, const std::function<double(std::size_t)>& value_of) {
  double total = 0;
  for (std::size_t i = 0; i < losses_.size(); ++i) {
    const double value = value_of(i);
    if (!output_losses_.empty()) output_losses_[i].update(value, static_cast<double>(batch.rows()));
    total += value * loss_weights_[i];
  }
  return total;
}

double Trainer::total_loss(const Batch& batch, const Predictions& predicted,
                           std::vector<Tensor>* gradients) {
  return total_loss(batch, [&](std::size_t i) {
    const Loss& loss = *losses_[i];
    const Tensor& output = predicted.outputs[i];
    return naming_samples(batch, batch.y[i], [&]() -> double {
      if (gradients == nullptr) {
        return loss(batch.y[i], output, batch.weight.of(i), predicted.masks[i]);
      }
      LossResult result =
          loss.value_and_gradient(batch.y[i], output, batch.weight.of(i),
                                  loss_weights_[i] * optimizer().loss_scale(), predicted.masks[i]);
      gradients->push_back(std::move(result.gradient));
      return result.value;
    });
  });
}

void Trainer::gather(const Batch& batch, const Predictions& predicted, double loss) {
  loss_.update(loss, static_cast<double>(batch.rows()));
  for (const NamedMetric& metric : metrics_) {
    const std::size_t output = metric.output;
    const Tensor weights = metric.weighted ? batch.weight.of(output) : Tensor();
    const Tensor mask = metric.metric->takes_mask() ? predicted.masks[output] : Tensor();
    metric.metric->update_state(batch.y[output], predicted.outputs[output],
                                masked_weights(weights, mask));
  }
}

void Trainer::lose() {
  batch_loss_ = std::numeric_limits<double>::quiet_NaN();
  loss_.update(batch_loss_, 0);
}

bool Trainer::has_device_losses(const TrainGraph& graph) const {
  if (graph.device() == Device::cpu() || graph.mode() != TrainGraph::Mode::kTraining) return false;
  const std::vector<ops::TensorSpec>& outputs = graph.output_specs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!DeviceLosses::computes(*losses_[i], outputs[i].dtype)) return false;
  }
  return true;
}

std::shared_ptr<SentBatch> Trainer::send(TrainGraph& graph, const Batch& batch,
                                         RandomState random) const {
  auto out = std::make_shared<SentBatch>();
  std::vector<Tensor> beside;
  if (has_device_losses(graph)) {
    BatchLabels& labels = out->labels.emplace();
    for (std::size_t i = 0; i < losses_.size(); ++i) {
      naming_samples(batch, batch.y.at(i), [&] {
        labels.add(*losses_[i], batch.y[i], batch.weight.of(i), graph.output_specs()[i].shape,
                   graph.mask_shapes()[i]);
      });
    }
    beside = labels.arrays();
  }
  out->inputs = graph.send(batch.x, random, beside);
  return out;
}

void Trainer::send_ahead(const GraphCache& graphs, const TrainGraph& at_work, const Ahead& ahead,
                         RandomState random) const {
  if (!ahead || at_work.device() == Device::cpu()) return;
  Batch* const batch = ahead();
  if (batch == nullptr || batch->y.size() != losses_.size()) return;
  TrainGraph* const graph = graphs.find(batch->x);
  if (graph == nullptr) return;
  try {
    batch->sent = send(*graph, *batch, random);
  } catch (const std::exception&) {
    // It is tried again when its step begins, which says what is wrong.
  }
}

std::shared_ptr<SentBatch> Trainer::begin(TrainGraph& graph, const Batch& batch,
                                          RandomState random) const {
  const bool is_there =
      batch.sent && batch.sent->inputs && graph.holds(*batch.sent->inputs, random);
  std::shared_ptr<SentBatch> ready = is_there ? batch.sent : send(graph, batch, random);
  graph.begin_forward(*ready->inputs);
  return ready;
}

double Trainer::step(TrainGraph& graph, const Batch& batch, const Ahead& ahead) {
  const std::shared_ptr<SentBatch> ready = begin(graph, batch, random_at(step()));
  return ready->labels ? finish_without_host(graph, batch, *ready->labels, ahead)
                       : finish_with_host(graph, batch, ahead);
}

double Trainer::finish_with_host(TrainGraph& graph, const Batch& batch, const Ahead& ahead) {
  send_ahead(graphs_, graph, ahead, random_at(step() + 1));
  const std::vector<Tensor>& outputs = graph.finish_forward();
  const Predictions predicted{outputs, graph.output_masks()};
  std::vector<Tensor> gradients;
  const double loss = total_loss(batch, predicted, &gradients) + graph.penalty();
  gather(batch, predicted, loss);
  optimizer().apply(graph.backward(gradients, optimizer().loss_scale()));
  return loss;
}

double Trainer::finish_without_host(TrainGraph& graph, const Batch& batch, BatchLabels& labels,
                                    const Ahead& ahead) {
  if (!device_losses_ || device_losses_->device() != graph.device()) {
    device_losses_.emplace(graph.device());
  }
  std::vector<double> scales;
  for (const double weight : loss_weights_) scales.push_back(weight * optimizer().loss_scale());
  device_losses_->compute(labels,
                          {graph.beside(), graph.device_outputs(), graph.device_output_masks()},
                          scales, graph.output_gradients());
  const std::vector<Tensor>& gradients = graph.backward_of_device(optimizer().loss_scale());
  send_ahead(graphs_, graph, ahead, random_at(step() + 1));
  const std::vector<Tensor>& outputs = graph.finish_forward();
  const Predictions predicted{outputs, graph.output_masks()};
  const double loss = total_loss(batch,
                                 [&](std::size_t i) -> double {
                                   return labels.value(i, outputs[i], predicted.masks[i]);
                                 }) +
                      graph.penalty();
  gather(batch, predicted, loss);
  optimizer().apply(gradients);
  return loss;
}

void Trainer::train(const Batch& batch, const Ahead& ahead) {
  prepare(batch);
  TrainGraph& graph = graphs_.get(batch.x);
  const std::vector<double> metrics = metric_state();
  const std::int64_t steps = optimizer().steps();
  double loss = 0;
  try {
    loss = step(graph, batch, ahead);
  } catch (...) {
    try {
      set_metric_state(metrics);
    } catch (const std::exception& error) {  // what the step failed of is thrown
      warn(std::string("The metrics keep what the failed step gave them: ") + error.what());
    }
    throw;
  }
  graph.update_state();
  batch_loss_ = loss;
  if (optimizer().steps() == steps) ++skipped_;
  // Compute libraries make numbers of NaN in some activations: the loss alone may look healthy
  // while the weights no longer are.
  if (!optimizer().finite()) lose();
}

void Trainer::test(const Batch& batch, const Ahead& ahead) {
  prepare(batch);
  std::vector<Tensor> outputs, masks(batch.y.size());
  double activity_penalty = 0;
  weight_penalty_.begin(model_.trainable_variables());  // computed while nothing waits for it
  if (!has_masks_) has_masks_ = has_output_masks(model_, batch.x);
  if (adds_activities_ || *has_masks_) {
    TrainGraph& graph = evaluation_graphs_.get(batch.x);
    (void)begin(graph, batch, {});
    send_ahead(evaluation_graphs_, graph, ahead, {});
    outputs = graph.finish_forward();
    graph.update_state();
    masks = graph.output_masks();
    activity_penalty = graph.activity_penalty();
  } else {
    outputs = predicted(model_, batch, ahead);
  }
  const double penalty = weight_penalty_.value() + activity_penalty;
  const Predictions predicted{outputs, masks};
  gather(batch, predicted, total_loss(batch, predicted, nullptr) + penalty);
}

Logs Trainer::logs() const {
  Logs logs = {{"loss", loss_.result()}};
  for (const metrics::Mean& loss : output_losses_) logs[loss.name()] = loss.result();
  for (const NamedMetric& metric : metrics_) logs[metric.name] = metric.metric->result();
  return logs;
}

std::optional<Direction> Trainer::direction(std::string_view log) const {
  if (log == loss_.name()) return Direction::kDown;
  for (const metrics::Mean& loss : output_losses_) {
    if (log == loss.name()) return Direction::kDown;
  }
  for (const NamedMetric& metric : metrics_) {
    if (log == metric.name) return metric.metric->direction();
  }
  return {};
}

void Trainer::reset_metrics() {
  loss_.reset_state();
  for (metrics::Mean& loss : output_losses_) loss.reset_state();
  for (const NamedMetric& metric : metrics_) metric.metric->reset_state();
}

std::vector<double> Trainer::metric_state() const {
  std::vector<double> all = loss_.state();
  const auto add = [&](const std::vector<double>& state) {
    all.insert(all.end(), state.begin(), state.end());
  };
  for (const metrics::Mean& loss : output_losses_) add(loss.state());
  for (const NamedMetric& metric : metrics_) add(metric.metric->state());
  return all;
}

void Trainer::set_metric_state(const std::vector<double>& state) {
  std::size_t at = 0;
  const auto set = [&](Metric& metric) {
    const std::size_t size = metric.state().size();
    if (state.size() - at < size) throw ValueError("The state of the metrics is too short.");
    metric.set_state({state.begin() + static_cast<std::ptrdiff_t>(at),
                      state.begin() + static_cast<std::ptrdiff_t>(at + size)});
    at += size;
  };
  set(loss_);
  for (metrics::Mean& loss : output_losses_) set(loss);
  for (const NamedMetric& metric : metrics_) set(*metric.metric);
}

}  // namespace lamina::training
