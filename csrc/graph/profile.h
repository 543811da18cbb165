#pragma once
#include <string>
#include <vector>

#include "graph/program.h"

namespace lamina::graph {

/// What one operation does, and how long it took.
struct ProfileRow {
  std::string op, layer,
      shapes;             ///< "Conv2D 3x3/2 +silu", "stem_conv", "(1, 4, 4, 3) -> (1, 2, 2, 8)"
  double flops = 0;       ///< of one run: two for each multiply-add of convolutions and products
  std::size_t bytes = 0;  ///< read and written by one run, parameters apart
  std::size_t runs = 0;
  double seconds = 0;  ///< of its fastest run: what the machine's other work disturbed least
};

[[nodiscard]] ProfileRow profile_row(const Op& op);

/// A table of the slowest `limit` operations, then sums by kind of operation.
[[nodiscard]] std::string profile_table(std::vector<ProfileRow> rows, std::size_t limit = 40);

}  // namespace lamina::graph
