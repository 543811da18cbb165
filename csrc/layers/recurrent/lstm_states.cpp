#include "layers/recurrent/lstm_states.h"

namespace lamina::layers {

using graph::ValueId;

States lstm_states(graph::Builder& builder, ValueId sums, ValueId carry, const Activate& activation,
                   const Activate& recurrent_activation) {
  const std::size_t axis = builder.shape(sums).rank() - 1;
  const std::int64_t units = builder.shape(sums)[-1] / 4;
  const auto gate = [&](std::int64_t i) { return slice(builder, sums, axis, i * units, units); };
  const auto open = [&](std::int64_t i) { return recurrent_activation(gate(i)); };
  const auto times = [&](ValueId a, ValueId b) {
    return builder.binary(ops::Binary::kMultiply, a, b);
  };
  const ValueId kept = times(open(1), carry);
  const ValueId news = activation(gate(2));
  const ValueId next = builder.binary(ops::Binary::kAdd, kept, times(open(0), news));
  const ValueId output = times(open(3), activation(next));
  return {output, next};
}

}  // namespace lamina::layers
