#include "models/run/carried_states.h"

#include <algorithm>
#include <utility>

namespace lamina::models {

CarriedStates::CarriedStates(const graph::Program& program) {
  for (const graph::StateUpdate& update : program.state_updates) {
    const auto output = std::find(program.outputs.begin(), program.outputs.end(), update.value);
    states_.push_back(
        {update.variable, static_cast<std::size_t>(output - program.outputs.begin())});
  }
}

std::vector<Tensor> CarriedStates::among(const std::vector<Tensor>& outputs) const {
  std::vector<Tensor> values;
  for (const State& state : states_) values.push_back(outputs.at(state.output));
  return values;
}

void CarriedStates::assign(std::vector<Tensor> values) const {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    states_[i].variable->assign(std::move(values.at(i)));
  }
}

}  // namespace lamina::models
