#include "ops/cuda/engines.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "ops/cuda/device_options.h"
#include "ops/cuda/host_engine.h"
#ifdef LAMINA_HAVE_CUDA
#include "ops/cuda/libraries/cuda_engine.h"
#endif

namespace lamina::ops::cuda {
namespace {

/// What computes on a device depends on whose runtime it has.
std::shared_ptr<Engine> make_engine(
    [[maybe_unused]] const std::shared_ptr<runtime::DeviceContext>& context,
    [[maybe_unused]] const EngineOptions& options) {
#ifdef LAMINA_HAVE_CUDA
  if (context->runtime().is_cuda()) return make_cuda_engine(context, options);
#endif
  return std::make_shared<HostEngine>();
}

struct InUse {
  std::weak_ptr<runtime::DeviceContext> context;
  EngineOptions options;
  std::weak_ptr<Engine> engine;
};

}  // namespace

std::shared_ptr<Engine> engine_of(const std::shared_ptr<runtime::DeviceContext>& context) {
  static std::mutex mutex;
  static std::vector<InUse> all;
  const EngineOptions wanted = engine_options();
  const std::lock_guard lock(mutex);
  std::erase_if(all,
                [](const InUse& each) { return each.engine.expired() || each.context.expired(); });
  for (const InUse& each : all) {
    auto engine = each.engine.lock();
    if (engine && each.context.lock() == context && each.options == wanted) return engine;
  }
  std::shared_ptr<Engine> engine = make_engine(context, wanted);
  all.push_back({context, wanted, engine});
  return engine;
}

}  // namespace lamina::ops::cuda
