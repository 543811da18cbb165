#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "layers/recurrent/recurrence.h"

namespace lamina::layers {

class Cell;

/// What Keras's RNN takes: a cell, or several of which each reads what the one before it gives.
class Cells {
 public:
  Cells() = default;
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;
  virtual ~Cells() = default;

  [[nodiscard]] virtual std::vector<Cell*> cells() = 0;
};

/// What goes through a sequence step by step. The first of its states is what it gives.
class Cell : public Cells {
 public:
  /// What all steps of a sequence share is written already.
  struct Course {
    graph::ValueId inputs;  ///< (time * batch, ...), of which a step takes its rows
    Step step;
  };

  [[nodiscard]] std::vector<Cell*> cells() override { return {this}; }
  [[nodiscard]] virtual std::size_t states() const = 0;
  /// What steps have to be like, (kNone, ...): kNone is any size, such as that of features before
  /// the cell is built.
  [[nodiscard]] virtual Shape expected_step() const = 0;
  /// The shape of what it gives for such a step, and of each state.
  [[nodiscard]] virtual Shape state_shape(const Shape& step) = 0;
  /// Of a sequence (time, batch, ...) of any dtype.
  [[nodiscard]] virtual Course begin(graph::Builder& builder, graph::ValueId x) = 0;
  /// A state as it computes it, of any dtype.
  [[nodiscard]] virtual graph::ValueId state(graph::Builder& builder, graph::ValueId given) = 0;
  /// The same of zeros, in front of steps of this shape.
  [[nodiscard]] virtual graph::ValueId zero_state(graph::Builder& builder, const Shape& step) = 0;
  /// What it computed under its `state_shape`: states, or a sequence of them, with more axes in
  /// front.
  [[nodiscard]] virtual graph::ValueId as_given(graph::Builder&, graph::ValueId states) const {
    return states;
  }
};

/// The shapes of all states, for such a step of the first one.
[[nodiscard]] std::vector<Shape> state_shapes(const std::vector<Cell*>& cells, Shape step);
/// How many each cell has.
[[nodiscard]] std::vector<std::size_t> state_counts(const std::vector<Cell*>& cells);

/// How cells go through a sequence, as the members of a Recurrence say.
struct Passage {
  bool go_backwards = false, return_sequences = false, zero_output_for_mask = false,
       flipped = false;
  std::optional<graph::ValueId> mask = {};
};
/// Through (time, batch, ...), from these states or, without any, from zeros; sequences come out as
/// (batch, time, ...). Each cell goes through all of it before the next one does: that
/// reads no state but its own.
[[nodiscard]] Unrolled go_through(graph::Builder& builder, const std::vector<Cell*>& cells,
                                  graph::ValueId x, const States& initial, const Passage& passage);

}  // namespace lamina::layers
