#pragma once
#include <random>

#include "graph/program.h"

namespace lamina::graph::testkit {

/// A valid program of about `ops` small operations in `dtype` (float32 or float64), with the
/// patterns that passes look for more often than chance would have them: identities, normalisations
/// and activations after convolutions, residual additions, reshapes between, several readers and
/// outputs.
[[nodiscard]] Program random_program(std::size_t ops, DType dtype, std::mt19937_64& rng);

}  // namespace lamina::graph::testkit
