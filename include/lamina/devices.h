#pragma once
#include <lamina/device.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lamina {

/// A CUDA device that this process can use.
struct CudaDevice {
  Device device;
  std::string name;                ///< as the driver calls it
  std::uint64_t memory_bytes = 0;  ///< in all
  int compute_major = 0, compute_minor = 0;
};

struct CudaDevices {
  std::vector<CudaDevice> usable;  ///< by index
  /// Why there are none, in words; empty when there are.
  std::string problem;
};

/// Looks for CUDA devices; never throws for their absence.
[[nodiscard]] CudaDevices cuda_devices();

/// The page-locked memory by which weights travel between a device and files, allocated at the
/// first transfer and kept. Other tensors have 16 MiB of their own, or twice `slot_bytes` if that
/// is less; training has twice what its largest batch takes.
struct TransferMemory {
  std::size_t slots = 8;  ///< at least one; two overlap copying and storage, more write at once
  std::size_t slot_bytes = std::size_t{16} << 20;  ///< rounded up to a multiple of 4096
};

/// Has devices that are used for the first time from now on take so much. Throws ValueError for
/// none.
void set_transfer_memory(const TransferMemory& memory);

/// How CUDA devices multiply float32 values.
enum class Float32Precision : std::uint8_t {
  kStrict,  ///< as they are
  kTf32,    ///< rounded to 10 bits behind the point, on tensor cores; sums in float32
};

/// For models that are moved to a device from now on; kStrict until then. Other dtypes come with a
/// layer's policy (`mixed_bfloat16`). Safe to use from several threads.
void set_float32_precision(Float32Precision precision);
[[nodiscard]] Float32Precision float32_precision();

/// Measuring the engines that cuDNN and cuBLASLt offer for an operation of a model, when a CUDA
/// device first needs it, and taking the fastest in place of the one that the libraries expect to
/// be. Measuring takes its time, once: what was the fastest is kept in a file by GPU and version of
/// the library, and other processes take it from there. Engines round differently, so a model's
/// results may change in their last bits with the choice; from run to run they do not.
struct Autotuning {
  bool enabled = false;
  /// Where the file `engines.txt` lies. Empty: $XDG_CACHE_HOME/lamina, or ~/.cache/lamina.
  std::filesystem::path directory = {};
  friend bool operator==(const Autotuning&, const Autotuning&) = default;
};

/// For models that are moved to a device from now on; off until then. Safe to use from several
/// threads.
void set_autotuning(const Autotuning& options);
[[nodiscard]] Autotuning autotuning();

}  // namespace lamina
