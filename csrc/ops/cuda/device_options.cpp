#include "ops/cuda/device_options.h"

#include <mutex>

namespace lamina {
namespace {

std::mutex options_mutex;
ops::cuda::EngineOptions options_now;

}  // namespace

ops::cuda::EngineOptions ops::cuda::engine_options() {
  const std::lock_guard lock(options_mutex);
  return options_now;
}

void set_float32_precision(Float32Precision precision) {
  const std::lock_guard lock(options_mutex);
  options_now.precision = precision;
}

Float32Precision float32_precision() {
  return ops::cuda::engine_options().precision;
}

void set_autotuning(const Autotuning& options) {
  const std::lock_guard lock(options_mutex);
  options_now.autotuning = options;
}

Autotuning autotuning() {
  return ops::cuda::engine_options().autotuning;
}

}  // namespace lamina
