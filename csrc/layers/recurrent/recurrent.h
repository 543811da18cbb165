#pragma once
#include <lamina/variable.h>

#include <cstddef>
#include <vector>

namespace lamina::layers {

/// What others ask of RNN, SimpleRNN, LSTM, GRU and the ConvLSTMs.
class Recurrent {
 public:
  /// Options of Keras's RNN.
  struct Way {
    bool go_backwards, return_sequences, stateful;
    std::size_t returned_states;  ///< 0 without `return_state`
  };
  /// A flag of the layer's calls, known here alone: sequences are given in the reverse order.
  static constexpr const char* kFlipped = "flipped";

  Recurrent() = default;
  Recurrent(const Recurrent&) = delete;
  Recurrent& operator=(const Recurrent&) = delete;
  virtual ~Recurrent() = default;

  [[nodiscard]] virtual Way way() const = 0;
  /// What Keras has Bidirectional set, whatever the layer was made with.
  virtual void set_zero_output_for_mask(bool zero) = 0;
  /// What it carries from one call to the next, once it is built; none unless it is stateful.
  [[nodiscard]] virtual const std::vector<VariablePtr>& carried() const = 0;
};

}  // namespace lamina::layers
