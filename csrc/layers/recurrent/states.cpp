// What the stateful layers carry from one batch to the next, for whoever asks.
#include <lamina/layers/recurrent.h>

#include "layers/distinct.h"
#include "layers/recurrent/recurrent.h"

namespace lamina::layers {

std::vector<VariablePtr> states(const Layer& layer) {
  Distinct<Variable> all;
  if (const auto* recurrent = dynamic_cast<const Recurrent*>(&layer)) all.add(recurrent->carried());
  for (const LayerPtr& held : layer.sublayers()) all.add(states(*held));
  return std::move(all).take();
}

void reset_state(const Layer& layer) {
  for (const VariablePtr& state : states(layer)) {
    state->assign(Tensor::zeros(state->shape(), state->dtype()));
  }
}

}  // namespace lamina::layers
