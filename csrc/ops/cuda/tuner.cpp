#include "ops/cuda/tuner.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>

namespace lamina::ops::cuda {
namespace {

struct Measured {
  std::string engine;
  double seconds;
};

/// Nothing where it cannot be built, or fails.
std::optional<double> measure(const EngineChoices& choices, std::size_t i, const PlanTimer& timer) {
  try {
    const std::shared_ptr<LibraryPlan> plan = choices.build(i);
    if (plan == nullptr) return std::nullopt;
    return timer(*plan);
  } catch (const DeviceError&) {
    return std::nullopt;
  }
}

std::vector<Measured> measure_all(const EngineChoices& choices, const PlanTimer& timer) {
  std::vector<Measured> out;
  for (std::size_t i = 0; i < choices.engines.size() && out.size() < Tuner::kMostTried; ++i) {
    if (const auto seconds = measure(choices, i, timer)) {
      out.push_back({choices.engines[i], *seconds});
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> Tuner::fastest(const std::string& where, const LibraryOp& op,
                                          const std::function<EngineChoices()>& choices) {
  const std::string name = describe(op);
  if (auto known = tuned_.find(where, name)) return known;
  const EngineChoices all = choices();
  if (all.engines.size() < 2) return std::nullopt;
  PlanTimer timer;
  try {
    timer = make_timer_(op);
  } catch (const DeviceError& error) {
    warn(fmt::format("The engines for {} were not measured: {}", name, error.what()));
    return std::nullopt;
  }
  const std::vector<Measured> measured = measure_all(all, timer);
  if (measured.size() < 2) return std::nullopt;
  const auto best =
      std::min_element(measured.begin(), measured.end(),
                       [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  tuned_.keep(where, name, best->engine);
  return best->engine;
}

}  // namespace lamina::ops::cuda
