#pragma once
#include "kernels/orthogonal.h"

namespace lamina::ops::jobs {

// The products of OrthogonalRegularizer on the host: what kernels/orthogonal.h says, added up in
// another order. The result for a vector does not depend on which others a job is of.

/// Vectors that are worth one job: fewer take almost as long.
inline constexpr std::int64_t kVectorsAtOnce = 60;

/// False for a dtype that they are not defined for.
[[nodiscard]] bool execute_on_host(const kernels::CosinesJob& job);
[[nodiscard]] bool execute_on_host(const kernels::OrthogonalGradientJob& job);

}  // namespace lamina::ops::jobs
