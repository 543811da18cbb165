#include "layers/recurrent/cell.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

std::vector<Shape> state_shapes(const std::vector<Cell*>& cells, Shape step) {
  std::vector<Shape> shapes;
  for (Cell* cell : cells) {
    step = cell->state_shape(step);
    shapes.insert(shapes.end(), cell->states(), step);
  }
  return shapes;
}

std::vector<std::size_t> state_counts(const std::vector<Cell*>& cells) {
  std::vector<std::size_t> counts;
  for (const Cell* cell : cells) counts.push_back(cell->states());
  return counts;
}

Unrolled go_through(Builder& builder, const std::vector<Cell*>& cells, ValueId x,
                    const States& initial, const Passage& passage) {
  const std::int64_t steps = builder.shape(x)[0];
  Unrolled done{x, {}};
  for (std::size_t place = 0; place < cells.size(); ++place) {  // one may stand in several
    Cell* cell = cells[place];
    const bool last = place + 1 == cells.size();
    const Shape step = without_axis(builder.shape(x), 0);
    const Cell::Course course = cell->begin(builder, x);
    Recurrence recurrence{.inputs = course.inputs,
                          .steps = steps,
                          .initial = {},
                          .go_backwards = passage.go_backwards,
                          .return_sequences = !last || passage.return_sequences,
                          .zero_output_for_mask = last && passage.zero_output_for_mask,
                          .flipped = last ? passage.flipped : passage.go_backwards,
                          .mask = passage.mask};
    for (std::size_t i = 0; i < cell->states(); ++i) {
      recurrence.initial.push_back(initial.empty()
                                       ? cell->zero_state(builder, step)
                                       : cell->state(builder, initial.at(done.states.size() + i)));
    }
    const Unrolled passed = unroll(builder, recurrence, course.step);
    x = done.output = cell->as_given(builder, passed.output);
    for (const ValueId state : passed.states) {
      done.states.push_back(cell->as_given(builder, state));
    }
  }
  if (passage.return_sequences) done.output = time_first(builder, done.output);
  return done;
}

}  // namespace lamina::layers
