#include <lamina/error.h>
#include <lamina/layer.h>

#include <span>

#include "core/device_memory.h"

namespace lamina {
namespace {

void require_shape(const Layer& layer, const Variable& variable, const Tensor& value) {
  if (value.defined() && value.shape() == variable.shape()) return;
  throw ValueError("Layer " + layer.name() + " weight shape " + variable.shape().str() +
                   " is not compatible with provided weight " +
                   (value.defined() ? "shape " + value.shape().str() : "that is undefined") +
                   ". Weight: " + variable.path());
}

/// Of each variable's dtype, where it is, with bytes of their own.
std::vector<Tensor> copies_for(const std::vector<VariablePtr>& variables,
                               std::vector<Tensor> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = values[i].cast(variables[i]->dtype());
  std::vector<Tensor> copies;
  while (copies.size() < values.size()) {
    const std::size_t begin = copies.size();
    const Device device = variables[begin]->device();
    std::size_t end = begin + 1;
    while (end < values.size() && variables[end]->device() == device) ++end;
    for (Tensor& copy : core::copies_on(device, std::span(values).subspan(begin, end - begin))) {
      copies.push_back(std::move(copy));
    }
  }
  return copies;
}

}  // namespace

std::vector<Tensor> Layer::get_weights() const {
  std::vector<Tensor> values;
  for (const VariablePtr& variable : weights()) values.push_back(variable->value());
  return core::copies_on(Device::cpu(), values);
}

void Layer::set_weights(const std::vector<Tensor>& values) {
  const std::vector<VariablePtr> variables = weights();
  if (variables.size() != values.size()) {
    throw ValueError("You called `set_weights(weights)` on layer '" + name() +
                     "' with a weight list of length " + std::to_string(values.size()) +
                     ", but the layer was expecting " + std::to_string(variables.size()) +
                     " weights.");
  }
  for (std::size_t i = 0; i < values.size(); ++i) require_shape(*this, *variables[i], values[i]);
  std::vector<Tensor> copies = copies_for(variables, values);
  for (std::size_t i = 0; i < copies.size(); ++i) variables[i]->assign(std::move(copies[i]));
}

std::int64_t Layer::count_params() const {
  if (!built()) {
    throw ValueError("You tried to call `count_params` on layer '" + name() +
                     "', but the layer isn't built. You can build it manually via: "
                     "`layer.build(input_shape)`.");
  }
  std::int64_t total = 0;
  for (const VariablePtr& variable : weights()) total += variable->shape().size();
  return total;
}

}  // namespace lamina
