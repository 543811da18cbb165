#pragma once
#include "graph/program.h"

namespace lamina::bench {

/// What a device does in a second at its best, as measured in the same run.
struct Speeds {
  double flops;  ///< of a large matrix product
  double bytes;  ///< read and written by a copy within the device
};

/// The least time in which a device of these speeds does the convolutions of a program: of each its
/// multiplications and additions, or the bytes of its input, kernel and output, whichever takes
/// longer.
[[nodiscard]] double convolution_floor(const graph::Program& program, const Speeds& speeds);

}  // namespace lamina::bench
