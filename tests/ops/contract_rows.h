#pragma once
#include <vector>

#include "contract.h"

namespace lamina::ops::contract {

/// Every operation has rows here; new operations must add some (see EveryOperationHasARow).
[[nodiscard]] std::vector<Row> rows();

[[nodiscard]] std::vector<Row> convolution_rows();
[[nodiscard]] std::vector<Row> normalization_rows();
[[nodiscard]] std::vector<Row> pointwise_rows();
[[nodiscard]] std::vector<Row> movement_rows();
/// What training adds: made from rows of what is differentiated.
[[nodiscard]] std::vector<Row> gradient_rows();

}  // namespace lamina::ops::contract
