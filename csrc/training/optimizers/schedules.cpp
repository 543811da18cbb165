#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/schedules.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "training/described/description.h"

namespace lamina::schedules {
namespace {

using training::described;

constexpr float kPi = std::numbers::pi_v<float>;

void require_steps(const char* argument, std::int64_t steps) {
  if (steps <= 0) {
    throw ValueError(fmt::format("Argument `{0}` must be > 0. Received: {0}={1}", argument, steps));
  }
}

/// A schedule out of its options and a function of them and the step.
template <class Options>
class Schedule : public LearningRateSchedule {
 public:
  using Rule = float (*)(const Options&, float step);
  Schedule(Options options, Rule rule) : options_(std::move(options)), rule_(rule) {}
  float operator()(std::int64_t step) const override {
    return rule_(options_, static_cast<float>(step));
  }

 private:
  Options options_;
  Rule rule_;
};

template <class Options>
SchedulePtr make(Options options, typename Schedule<Options>::Rule rule) {
  return std::make_shared<Schedule<Options>>(std::move(options), rule);
}

float f(double value) {
  return static_cast<float>(value);
}

float half_cosine(float fraction) {
  return 0.5F * (1.0F + std::cos(kPi * fraction));
}

float cosine_from(float from, float step, float steps, float alpha) {
  return from * ((1.0F - alpha) * half_cosine(step / steps) + alpha);
}

float cosine_decay(const CosineDecayOptions& o, float step) {
  const auto decay_steps = static_cast<float>(o.decay_steps);
  const float initial = f(o.initial_learning_rate);
  if (!o.warmup_target) {
    return cosine_from(initial, std::min(step, decay_steps), decay_steps, f(o.alpha));
  }
  const auto warmup_steps = static_cast<float>(o.warmup_steps);
  step = std::min(step, decay_steps + warmup_steps);
  const float target = f(*o.warmup_target);
  if (step < warmup_steps) return (target - initial) * (step / warmup_steps) + initial;
  return cosine_from(target, step - warmup_steps, decay_steps, f(o.alpha));
}

float cosine_decay_restarts(const CosineDecayRestartsOptions& o, float step) {
  const float t_mul = f(o.t_mul), alpha = f(o.alpha);
  float fraction = step / static_cast<float>(o.first_decay_steps);
  float restarts = 0;
  if (t_mul == 1.0F) {
    restarts = std::floor(fraction);
    fraction -= restarts;
  } else {
    restarts = std::floor(std::log(1.0F - fraction * (1.0F - t_mul)) / std::log(t_mul));
    const float power = std::pow(t_mul, restarts);
    fraction = (fraction - (1.0F - power) / (1.0F - t_mul)) / power;
  }
  const float cosine = std::pow(f(o.m_mul), restarts) * half_cosine(fraction);
  return f(o.initial_learning_rate) * ((1.0F - alpha) * cosine + alpha);
}

float polynomial_decay(const PolynomialDecayOptions& o, float step) {
  auto decay_steps = static_cast<float>(o.decay_steps);
  if (o.cycle) {
    decay_steps *= step == 0 ? 1.0F : std::ceil(step / decay_steps);
  } else {
    step = std::min(step, decay_steps);
  }
  const float end = f(o.end_learning_rate);
  return (f(o.initial_learning_rate) - end) * std::pow(1.0F - step / decay_steps, f(o.power)) + end;
}

/// Compares steps as integers: float32 cannot tell large ones apart.
class Piecewise : public LearningRateSchedule {
 public:
  explicit Piecewise(PiecewiseConstantDecayOptions options) : options_(std::move(options)) {}
  float operator()(std::int64_t step) const override {
    const auto& bounds = options_.boundaries;
    const auto at = std::lower_bound(bounds.begin(), bounds.end(), step) - bounds.begin();
    return f(options_.values[static_cast<std::size_t>(at)]);
  }

 private:
  PiecewiseConstantDecayOptions options_;
};

}  // namespace

SchedulePtr ExponentialDecay(ExponentialDecayOptions options) {
  require_steps("decay_steps", options.decay_steps);
  return described(
      "ExponentialDecay", options,
      make<ExponentialDecayOptions>(options, [](const ExponentialDecayOptions& o, float step) {
        const float p = step / static_cast<float>(o.decay_steps);
        return f(o.initial_learning_rate) *
               std::pow(f(o.decay_rate), o.staircase ? std::floor(p) : p);
      }));
}

SchedulePtr InverseTimeDecay(InverseTimeDecayOptions options) {
  require_steps("decay_steps", options.decay_steps);
  return described(
      "InverseTimeDecay", options,
      make<InverseTimeDecayOptions>(options, [](const InverseTimeDecayOptions& o, float step) {
        const float p = step / static_cast<float>(o.decay_steps);
        return f(o.initial_learning_rate) /
               (1.0F + f(o.decay_rate) * (o.staircase ? std::floor(p) : p));
      }));
}

SchedulePtr PiecewiseConstantDecay(PiecewiseConstantDecayOptions options) {
  if (options.boundaries.size() + 1 != options.values.size()) {
    throw ValueError(fmt::format(
        "The length of boundaries should be 1 less than the length of values. Received: "
        "boundaries of length {}, and values of length {}.",
        options.boundaries.size(), options.values.size()));
  }
  if (!std::is_sorted(options.boundaries.begin(), options.boundaries.end())) {
    throw ValueError(fmt::format(
        "The boundaries of PiecewiseConstantDecay have to ascend. Received: boundaries=[{}]",
        fmt::join(options.boundaries, ", ")));
  }
  return described("PiecewiseConstantDecay", options, std::make_shared<Piecewise>(options));
}

SchedulePtr PolynomialDecay(PolynomialDecayOptions options) {
  require_steps("decay_steps", options.decay_steps);
  return described("PolynomialDecay", options,
                   make<PolynomialDecayOptions>(options, polynomial_decay));
}

SchedulePtr CosineDecay(CosineDecayOptions options) {
  require_steps("decay_steps", options.decay_steps);
  return described("CosineDecay", options, make<CosineDecayOptions>(options, cosine_decay));
}

SchedulePtr CosineDecayRestarts(CosineDecayRestartsOptions options) {
  require_steps("first_decay_steps", options.first_decay_steps);
  return described("CosineDecayRestarts", options,
                   make<CosineDecayRestartsOptions>(options, cosine_decay_restarts));
}

}  // namespace lamina::schedules
