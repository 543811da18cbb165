#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ops/cuda/engine.h"
#include "ops/cuda/tuned_engines.h"
#include "runtime/device_context.h"

namespace lamina::ops::cuda {

/// What a library has for one operation.
struct EngineChoices {
  std::vector<std::string> engines;  ///< by the library's own estimate the fastest first
  /// Engine number so and so, ready to run; nothing where it cannot be built.
  std::function<std::shared_ptr<LibraryPlan>(std::size_t)> build;
};

/// The seconds that one run of a plan takes. Throws DeviceError.
using PlanTimer = std::function<double(LibraryPlan&)>;

/// Chooses engines by measuring them. Used from one thread at a time.
class Tuner {
 public:
  /// A timer for plans of one operation. Throws DeviceError.
  using MakeTimer = std::function<PlanTimer(const LibraryOp&)>;
  /// So many engines of one operation are tried: those that come later have never been thought fast
  /// by the library, and some are compiled first, which takes seconds each.
  static constexpr std::size_t kMostTried = 12;

  Tuner(TunedEngines tuned, MakeTimer make_timer)
      : tuned_(std::move(tuned)), make_timer_(std::move(make_timer)) {}

  /// The name of the fastest engine for `op`, as it was measured here or in an earlier process, by
  /// the device and the library that `where` names. Nothing where no two can be measured: then the
  /// library's own choice is as good. Engines that fail while they are measured are left out.
  [[nodiscard]] std::optional<std::string> fastest(const std::string& where, const LibraryOp& op,
                                                   const std::function<EngineChoices()>& choices);

 private:
  TunedEngines tuned_;
  MakeTimer make_timer_;
};

/// Runs plans on a device, on memory and a stream of its own, alone of what this process does there
/// on other streams only by chance: the fastest of some runs counts.
[[nodiscard]] Tuner::MakeTimer timer_on(std::shared_ptr<runtime::DeviceContext> context);

}  // namespace lamina::ops::cuda
