#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lamina::testing {

/// What a thread of a kernel needs, or a block of threads, as ptxas says.
struct KernelUse {
  std::string name;               ///< as C++ has it
  unsigned architecture = 0;      ///< 90 for sm_90
  unsigned registers = 0;         ///< a thread
  unsigned stack = 0;             ///< bytes of local memory a thread: arrays and spilled registers
  unsigned long long shared = 0;  ///< bytes a block
};

/// Of each kernel whose machine code lies anywhere in `bytes`, as fatbinary leaves it in an object
/// or a library (uncompressed). As cuobjdump's -res-usage, which not every toolkit has.
[[nodiscard]] std::vector<KernelUse> kernels_in(std::string_view bytes);

}  // namespace lamina::testing
