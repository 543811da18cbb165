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
    graph::ValueId inputs;  ///< (time * batch, columns), of which a step takes its rows
    Step step;
  };

  [[nodiscard]] std::vector<Cell*> cells() override { return {this}; }
  /// The size of what it gives, and of each state.
  [[nodiscard]] virtual std::int64_t units() const = 0;
  [[nodiscard]] virtual std::size_t states() const = 0;
  /// Those that it was built for; kNone before.
  [[nodiscard]] virtual std::int64_t features() const = 0;
  /// Of a sequence (time, batch, features) of any dtype.
  [[nodiscard]] virtual Course begin(graph::Builder& builder, graph::ValueId x) = 0;
  /// A state as it computes it, of any dtype.
  [[nodiscard]] virtual graph::ValueId state(graph::Builder& builder, graph::ValueId given) = 0;
  [[nodiscard]] virtual graph::ValueId zero_state(graph::Builder& builder, std::int64_t batch) = 0;
};

/// The sizes of all states.
[[nodiscard]] std::vector<std::int64_t> state_sizes(const std::vector<Cell*>& cells);
/// How many each cell has.
[[nodiscard]] std::vector<std::size_t> state_counts(const std::vector<Cell*>& cells);

/// How cells go through a sequence, as the members of a Recurrence say.
struct Passage {
  bool go_backwards = false, return_sequences = false, zero_output_for_mask = false,
       flipped = false;
  std::optional<graph::ValueId> mask = {};
};
/// Through (time, batch, features), from these states or, without any, from zeros; sequences come
/// out as (batch, time, units). Each cell goes through all of it before the next one does: that
/// reads no state but its own.
[[nodiscard]] Unrolled go_through(graph::Builder& builder, const std::vector<Cell*>& cells,
                                  graph::ValueId x, const States& initial, const Passage& passage);

}  // namespace lamina::layers
