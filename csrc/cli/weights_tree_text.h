#pragma once
#include <cstdint>
#include <string>

#include "cli/stored_weights.h"

namespace lamina::cli {

struct Totals {
  std::size_t groups = 0, variables = 0;
  std::uint64_t parameters = 0, bytes = 0;
};

[[nodiscard]] Totals totals_of(const StoredWeights& weights);

/// "273 groups, 446 variables, 7,200,312 parameters, 28.80 MB in 3 files" and a newline.
[[nodiscard]] std::string totals_text(const StoredWeights& weights);

/// The objects by path, each with its variables: key, dtype, shape, bytes, file.
[[nodiscard]] std::string tree_text(const StoredWeights& weights);

}  // namespace lamina::cli
