#pragma once
#include <random>
#include <string>
#include <vector>

#include "graph/program.h"
#include "ops/backend.h"

namespace lamina::graph::testkit {

/// A seed that differs at each run and is printed, or the one in LAMINA_TEST_SEED.
[[nodiscard]] std::uint64_t fresh_seed();

[[nodiscard]] Tensor random_tensor(const ops::TensorSpec& spec, std::mt19937_64& rng,
                                   double low = -1, double high = 1);
[[nodiscard]] std::vector<Tensor> random_inputs(const Program& program, std::mt19937_64& rng);

/// A parameter that is a variable of random values.
[[nodiscard]] Param random_param(Shape shape, DType dtype, std::mt19937_64& rng, double low = -1,
                                 double high = 1);

/// The oracle: every operation by itself, every value in memory of its own that was poisoned
/// before.
[[nodiscard]] std::vector<Tensor> run_naively(const Program& program, ops::Backend& backend,
                                              const std::vector<Tensor>& inputs);

/// Largest difference, relative to the largest magnitude expected (at least 1). NaNs match NaNs
/// only.
[[nodiscard]] double relative_difference(const Tensor& actual, const Tensor& expected);

/// "Conv2D BinaryOp ...": the operations in order.
[[nodiscard]] std::string op_names(const Program& program);

}  // namespace lamina::graph::testkit
