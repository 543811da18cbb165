#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace lamina {

namespace training {
struct Description;
class Descriptions;
}  // namespace training

/// A learning rate that follows the optimizer's steps (keras.optimizers.schedules). Evaluated in
/// float32, as Keras does. Immutable: safe to call from any thread.
class LearningRateSchedule {
 public:
  virtual ~LearningRateSchedule() = default;
  /// The learning rate of step number `step`, the first being 0.
  [[nodiscard]] virtual float operator()(std::int64_t step) const = 0;

 private:
  friend class training::Descriptions;
  std::shared_ptr<const training::Description> description_;  // of Keras's own
};

using SchedulePtr = std::shared_ptr<const LearningRateSchedule>;

/// Keras's schedules, with Keras's argument names, order and defaults. The factories throw
/// ValueError for arguments that Keras refuses.
namespace schedules {

/// initial_learning_rate * decay_rate ^ (step / decay_steps); staircase: the exponent rounded down.
struct ExponentialDecayOptions {
  double initial_learning_rate = 0;
  std::int64_t decay_steps = 0;
  double decay_rate = 0;
  bool staircase = false;
};
[[nodiscard]] SchedulePtr ExponentialDecay(ExponentialDecayOptions options);

/// values[i] up to and with step boundaries[i]; the last value after the last boundary.
struct PiecewiseConstantDecayOptions {
  std::vector<std::int64_t> boundaries = {};
  std::vector<double> values = {};
};
[[nodiscard]] SchedulePtr PiecewiseConstantDecay(PiecewiseConstantDecayOptions options);

/// From initial_learning_rate to end_learning_rate within decay_steps, by (1 - t) ^ power; `cycle`
/// begins anew with a longer period, else the end value stays.
struct PolynomialDecayOptions {
  double initial_learning_rate = 0;
  std::int64_t decay_steps = 0;
  double end_learning_rate = 0.0001;
  double power = 1.0;
  bool cycle = false;
};
[[nodiscard]] SchedulePtr PolynomialDecay(PolynomialDecayOptions options);

/// initial_learning_rate / (1 + decay_rate * step / decay_steps); staircase: the quotient rounded
/// down.
struct InverseTimeDecayOptions {
  double initial_learning_rate = 0;
  std::int64_t decay_steps = 0;
  double decay_rate = 0;
  bool staircase = false;
};
[[nodiscard]] SchedulePtr InverseTimeDecay(InverseTimeDecayOptions options);

/// Half a cosine from initial_learning_rate down to alpha times it within decay_steps. With a
/// warmup_target: first linearly from initial_learning_rate to the target within warmup_steps, and
/// the decay starts from there.
struct CosineDecayOptions {
  double initial_learning_rate = 0;
  std::int64_t decay_steps = 0;
  double alpha = 0.0;
  std::optional<double> warmup_target = {};
  std::int64_t warmup_steps = 0;
};
[[nodiscard]] SchedulePtr CosineDecay(CosineDecayOptions options);

/// Half cosines one after another, each t_mul times as long and m_mul times as high as the one
/// before it, down to alpha times the initial rate.
struct CosineDecayRestartsOptions {
  double initial_learning_rate = 0;
  std::int64_t first_decay_steps = 0;
  double t_mul = 2.0;
  double m_mul = 1.0;
  double alpha = 0.0;
};
[[nodiscard]] SchedulePtr CosineDecayRestarts(CosineDecayRestartsOptions options);

}  // namespace schedules

/// What an optimizer takes as its learning rate: a number, which can be set later, or a schedule.
class LearningRate {
 public:
  LearningRate(double value) : value_(value) {}                           // NOLINT: implicit
  LearningRate(SchedulePtr schedule) : schedule_(std::move(schedule)) {}  // NOLINT
  [[nodiscard]] double value() const noexcept { return value_; }
  /// Null for a number.
  [[nodiscard]] const SchedulePtr& schedule() const noexcept { return schedule_; }

 private:
  double value_ = 0;
  SchedulePtr schedule_;
};

}  // namespace lamina
