#include "ops/cuda/engines.h"

#include <lamina/devices.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "ops/cuda/host_engine.h"
#ifdef LAMINA_HAVE_CUDA
#include "ops/cuda/libraries/cuda_engine.h"
#endif

namespace lamina::ops::cuda {
namespace {

std::atomic<Float32Precision> precision{Float32Precision::kStrict};

/// What computes on a device depends on whose runtime it has.
std::shared_ptr<Engine> make_engine([[maybe_unused]] runtime::DeviceContext& context) {
#ifdef LAMINA_HAVE_CUDA
  if (context.runtime().is_cuda()) return make_cuda_engine(context.device(), precision);
#endif
  return std::make_shared<HostEngine>();
}

struct InUse {
  std::weak_ptr<runtime::DeviceContext> context;
  Float32Precision precision;
  std::weak_ptr<Engine> engine;
};

}  // namespace

std::shared_ptr<Engine> engine_of(const std::shared_ptr<runtime::DeviceContext>& context) {
  static std::mutex mutex;
  static std::vector<InUse> all;
  const std::lock_guard lock(mutex);
  std::erase_if(all,
                [](const InUse& each) { return each.engine.expired() || each.context.expired(); });
  for (const InUse& each : all) {
    auto engine = each.engine.lock();
    if (engine && each.context.lock() == context && each.precision == precision) return engine;
  }
  std::shared_ptr<Engine> engine = make_engine(*context);
  all.push_back({context, precision, engine});
  return engine;
}

}  // namespace lamina::ops::cuda

void lamina::set_float32_precision(Float32Precision precision) {
  ops::cuda::precision = precision;
}

lamina::Float32Precision lamina::float32_precision() {
  return ops::cuda::precision;
}
