#include "graph/passes/rewriter.h"

#include <algorithm>

namespace lamina::graph {

Rewriter::Rewriter(Program program)
    : program_(std::move(program)),
      producer_(program_.values.size()),
      readers_(program_.values.size(), 0),
      returned_(program_.values.size(), false),
      removed_(program_.ops.size(), false) {
  for (std::size_t i = 0; i < program_.ops.size(); ++i) {
    producer_[program_.ops[i].output] = i;
    for (ValueId id : program_.ops[i].inputs) ++readers_[id];
  }
  for (ValueId id : program_.outputs) {
    ++readers_[id];
    returned_[id] = true;
  }
}

std::optional<std::size_t> Rewriter::private_producer(ValueId id) const {
  if (readers_[id] != 1 || returned_[id]) return std::nullopt;
  return producer_[id];
}

void Rewriter::remove(std::size_t index) {
  for (ValueId id : op(index).inputs) --readers_[id];
  producer_[op(index).output].reset();
  removed_[index] = true;
}

void Rewriter::absorb(std::size_t index, std::size_t absorbed) {
  const ValueId output = op(absorbed).output;
  remove(absorbed);
  producer_[op(index).output].reset();
  op(index).output = output;
  producer_[output] = index;
}

void Rewriter::bypass(std::size_t index, ValueId replacement) {
  const ValueId output = op(index).output;
  for (Op& reader : program_.ops)
    std::replace(reader.inputs.begin(), reader.inputs.end(), output, replacement);
  std::replace(program_.outputs.begin(), program_.outputs.end(), output, replacement);
  readers_[replacement] += std::exchange(readers_[output], 0);
  if (returned_[output]) returned_[replacement] = true;
  returned_[output] = false;
  remove(index);
}

void Rewriter::redirect(std::size_t index, std::size_t input, ValueId id) {
  --readers_[op(index).inputs[input]];
  op(index).inputs[input] = id;
  ++readers_[id];
}

void Rewriter::add_input(std::size_t index, ValueId id) {
  op(index).inputs.push_back(id);
  ++readers_[id];
}

void Rewriter::exchange(std::size_t first, std::size_t second) {
  std::swap(op(first), op(second));
  std::swap(op(first).inputs, op(second).inputs);
  std::swap(op(first).output, op(second).output);
}

Program Rewriter::finish() && {
  std::vector<Op> kept;
  kept.reserve(program_.ops.size());
  for (std::size_t i = 0; i < program_.ops.size(); ++i) {
    if (!removed_[i]) kept.push_back(std::move(program_.ops[i]));
  }
  program_.ops = std::move(kept);
  return std::move(program_);
}

}  // namespace lamina::graph
