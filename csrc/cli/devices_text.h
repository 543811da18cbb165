#pragma once
#include <lamina/devices.h>

#include <string>

namespace lamina::cli {

/// A line for the CPU and each CUDA device, or the reason why there is none.
[[nodiscard]] std::string devices_text(const CudaDevices& cuda, unsigned cpu_threads);

}  // namespace lamina::cli
