#pragma once
#include <optional>
#include <vector>

#include "graph/program.h"

namespace lamina::graph {

/// A program under change: knows who writes and how many read each value, and keeps that true while
/// operations merge. Operations keep their indices until `finish`.
class Rewriter {
 public:
  explicit Rewriter(Program program);

  [[nodiscard]] std::size_t size() const { return program_.ops.size(); }
  [[nodiscard]] Op& op(std::size_t index) { return program_.ops[index]; }
  [[nodiscard]] ops::TensorSpec& value(ValueId id) { return program_.values[id]; }
  [[nodiscard]] bool removed(std::size_t index) const { return removed_[index]; }

  /// The operation that writes `id`; nothing for the program's inputs.
  [[nodiscard]] std::optional<std::size_t> producer(ValueId id) const { return producer_[id]; }
  /// The same, but only when one operation reads `id` and the program does not return it: what is
  /// merged into that producer changes nothing for anybody else.
  [[nodiscard]] std::optional<std::size_t> private_producer(ValueId id) const;

  /// `index` now writes what `absorbed` wrote; `absorbed` is gone, and so are its reads.
  void absorb(std::size_t index, std::size_t absorbed);
  /// Whoever read the output of `index` reads `replacement` instead; `index` is gone.
  void bypass(std::size_t index, ValueId replacement);
  /// Input `input` of operation `index` becomes `id`.
  void redirect(std::size_t index, std::size_t input, ValueId id);
  /// Adds `id` as the last input of operation `index`.
  void add_input(std::size_t index, ValueId id);
  /// Operation `first` and the later `second`, its only reader, change places; the caller then
  /// rewrites their specs. `second` must read nothing else.
  void exchange(std::size_t first, std::size_t second);

  [[nodiscard]] Program finish() &&;

 private:
  void remove(std::size_t index);

  Program program_;
  std::vector<std::optional<std::size_t>> producer_;
  std::vector<std::size_t> readers_;  ///< inputs of operations and outputs of the program
  std::vector<bool> returned_, removed_;
};

}  // namespace lamina::graph
