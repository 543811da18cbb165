#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/gradient_tape.h>

#include <vector>

#include "training/graph/graph_cache.h"
#include "training/graph/lacked_options.h"

namespace lamina {

struct GradientTape::Parts {
  training::GraphCache graphs;
  std::vector<VariablePtr> variables;
  training::RandomState random;
  training::TrainGraph* graph = nullptr;  ///< of the last forward
  std::vector<Shape> outputs = {};        ///< their shapes
  bool differentiated = false;            ///< since then

  void require_forward() const {
    if (graph == nullptr) throw ValueError("GradientTape: call `forward` first.");
  }
  void require_fit(const std::vector<Tensor>& output_gradients) const;
};

void GradientTape::Parts::require_fit(const std::vector<Tensor>& output_gradients) const {
  if (output_gradients.size() != outputs.size()) {
    throw ValueError(fmt::format(
        "GradientTape: `gradients` takes a gradient for each of the {} outputs; received {}.",
        outputs.size(), output_gradients.size()));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& gradient = output_gradients[i];
    if (gradient.defined() && gradient.shape() == outputs[i]) continue;
    throw ValueError(fmt::format(
        "GradientTape: the gradient of output {} should be of shape {}; received {}.", i,
        outputs[i].str(), gradient.defined() ? gradient.shape().str() : "an undefined tensor"));
  }
}

GradientTape::GradientTape(Model& model, std::uint64_t seed, std::uint64_t first_call) {
  if (!model.built()) {
    throw ValueError(fmt::format("GradientTape: model '{}' has not been built.", model.name()));
  }
  training::refuse_lacked_options(model);
  parts_ = std::make_unique<Parts>(
      Parts{training::GraphCache(model), model.trainable_variables(), {seed, first_call}});
}

GradientTape::GradientTape(GradientTape&&) noexcept = default;
GradientTape& GradientTape::operator=(GradientTape&&) noexcept = default;
GradientTape::~GradientTape() = default;

const std::vector<Tensor>& GradientTape::forward(const std::vector<Tensor>& inputs) {
  parts_->graph = nullptr;
  training::TrainGraph& graph = parts_->graphs.get(inputs);
  if (graph.variables() != parts_->variables) {
    throw ValueError(
        "GradientTape: layers were frozen, unfrozen, added or removed since it was made.");
  }
  const std::vector<Tensor>& outputs = graph.forward(inputs, parts_->random);
  graph.update_state();
  ++parts_->random.counter;
  parts_->outputs.clear();
  for (const Tensor& output : outputs) parts_->outputs.push_back(output.shape());
  parts_->differentiated = false;
  parts_->graph = &graph;
  return outputs;
}

const std::vector<Tensor>& GradientTape::output_masks() const {
  parts_->require_forward();
  return parts_->graph->output_masks();
}

double GradientTape::penalty() const {
  parts_->require_forward();
  return parts_->graph->penalty();
}

const std::vector<Tensor>& GradientTape::gradients(const std::vector<Tensor>& output_gradients,
                                                   double penalty_scale) {
  parts_->require_forward();
  if (parts_->differentiated) {
    throw ValueError("GradientTape: `gradients` is called once after each `forward`.");
  }
  parts_->require_fit(output_gradients);
  const auto& gradients = parts_->graph->backward(output_gradients, penalty_scale);
  parts_->differentiated = true;
  return gradients;
}

const std::vector<VariablePtr>& GradientTape::variables() const {
  return parts_->variables;
}

}  // namespace lamina
