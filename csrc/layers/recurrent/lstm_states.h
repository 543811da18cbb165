#pragma once
#include <functional>

#include "layers/recurrent/recurrence.h"

namespace lamina::layers {

/// What writes an activation's operations.
using Activate = std::function<graph::ValueId(graph::ValueId)>;

/// The output and the carry behind a step of an LSTM, of the sums that its four gates read,
/// (..., 4 * units), and the carry in front of it.
[[nodiscard]] States lstm_states(graph::Builder& builder, graph::ValueId sums, graph::ValueId carry,
                                 const Activate& activation, const Activate& recurrent_activation);

}  // namespace lamina::layers
