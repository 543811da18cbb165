#include <lamina/layers/recurrent.h>
#include <lamina/model.h>

#include "core/device_memory.h"
#include "core/variable_access.h"
#include "graph/builder.h"
#include "layers/call_values.h"
#include "layers/distinct.h"
#include "layers/graph_version.h"
#include "models/run/plans.h"
#include "models/sublayers.h"
#include "models/weights/pending_saves.h"

namespace lamina {

Model::Model(Base base) : Layer(std::move(base)), saves_(std::make_unique<models::PendingSaves>()) {
  input_spec_.count.reset();  // a model checks its inputs itself
}

Model::~Model() = default;

std::vector<VariablePtr> Model::variables() const {
  layers::Distinct<Variable> all;
  all.add(own_variables());
  for (const LayerPtr& layer : models::sublayers(*this)) all.add(layer->variables());
  return std::move(all).take();
}

std::vector<LayerPtr> Model::sublayers() const {
  return models::sublayers(*this);
}

void Model::set_trainable(bool trainable) {
  Layer::set_trainable(trainable);
  for (const LayerPtr& layer : layers()) layer->set_trainable(trainable);
}

std::vector<graph::ValueId> Model::on_lower_call(graph::Builder& builder,
                                                 const std::vector<graph::ValueId>& inputs,
                                                 const layers::CallValues& call) {
  if (const std::optional<graph::ValueId> mask = call.tensor("mask")) {
    builder.set_mask(inputs.at(0), mask);
  }
  return Layer::on_lower_call(builder, inputs, call);
}

void Model::to(Device device) {
  std::vector<VariablePtr> moving, waiting;
  std::vector<Tensor> values;
  layers::Distinct<Variable> all;
  all.add(variables());
  all.add(layers::states(*this));
  for (const VariablePtr& variable : std::move(all).take()) {
    if (variable->device() == device) continue;
    const bool there = variable->materialized();
    (there ? moving : waiting).push_back(variable);
    if (there) values.push_back(variable->value());
  }
  values = core::copies_on(device, values);
  for (std::size_t i = 0; i < moving.size(); ++i) {
    core::VariableAccess::move_to_value(*moving[i], std::move(values[i]));
  }
  for (const VariablePtr& variable : waiting) variable->to(device);
  if (plans_ || device != Device::cpu()) plans().compute_on(device);
}

LayerPtr Model::get_layer(std::string_view name) const {
  std::string existing;
  for (const LayerPtr& layer : layers()) {
    if (layer->name() == name) return layer;
    existing += (existing.empty() ? "'" : ", '") + layer->name() + "'";
  }
  throw ValueError("No such layer: " + std::string(name) + ". Existing layers are: [" + existing +
                   "].");
}

LayerPtr Model::get_layer(std::int64_t index) const {
  const std::vector<LayerPtr> all = layers();
  const auto count = static_cast<std::int64_t>(all.size());
  if (index >= count || index < -count) {
    throw ValueError("Was asked to retrieve layer at index " + std::to_string(index) +
                     " but model only has " + std::to_string(count) + " layers.");
  }
  return all[static_cast<std::size_t>(index < 0 ? index + count : index)];
}

Model::Plans& Model::plans() {
  if (!plans_) plans_ = std::make_unique<Plans>();
  return *plans_;
}

void Model::invalidate_plans() noexcept {
  plans_.reset();
  graph_version_ = layers::next_graph_version();
}

}  // namespace lamina
