#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/gradient_tape.h>

#include "training/graph/graph_cache.h"
#include "training/graph/lacked_options.h"

namespace lamina {

struct GradientTape::Parts {
  training::GraphCache graphs;
  std::vector<VariablePtr> variables;
  training::RandomState random;
  training::TrainGraph* graph = nullptr;  ///< of the last forward
};

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
  graph.update_averages();
  ++parts_->random.counter;
  parts_->graph = &graph;
  return outputs;
}

const std::vector<Tensor>& GradientTape::output_masks() const {
  if (parts_->graph == nullptr) throw ValueError("GradientTape: call `forward` first.");
  return parts_->graph->output_masks();
}

double GradientTape::penalty() const {
  if (parts_->graph == nullptr) throw ValueError("GradientTape: call `forward` first.");
  return parts_->graph->penalty();
}

const std::vector<Tensor>& GradientTape::gradients(const std::vector<Tensor>& output_gradients,
                                                   double penalty_scale) {
  if (parts_->graph == nullptr) throw ValueError("GradientTape: call `forward` first.");
  return parts_->graph->backward(output_gradients, penalty_scale);
}

const std::vector<VariablePtr>& GradientTape::variables() const {
  return parts_->variables;
}

}  // namespace lamina
