#pragma once
#include <lamina/callbacks.h>

#include <cmath>
#include <optional>
#include <string>

namespace lamina::training {

/// A log that a callback watches: what it was at best, and whether a new value is better.
class Monitor {
 public:
  Monitor(std::string name, callbacks::Mode mode, double min_delta = 0)
      : name_(std::move(name)),
        mode_(mode),
        greater_(mode == callbacks::Mode::kMax),
        min_delta_(std::fabs(min_delta)) {}

  /// Finds out for kAuto which values are better. Throws ValueError, naming the callback, where
  /// that cannot be told.
  void begin(const char* callback, const FitRun& run);
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The log's value; without one a warning, `missing`, in which {0} stands for its name and {1}
  /// for those there are.
  [[nodiscard]] std::optional<double> value(const Logs& logs, const char* missing) const;
  /// Compares as float32, which is what Keras does: less than that can tell is no improvement.
  [[nodiscard]] bool improves(double value, const std::optional<double>& on) const {
    if (!on) return true;
    const auto before = static_cast<float>(*on);
    const auto now = static_cast<float>(greater_ ? value - min_delta_ : value + min_delta_);
    return greater_ ? now > before : now < before;
  }

 private:
  std::string name_;
  callbacks::Mode mode_;
  bool greater_;
  double min_delta_;
};

/// An optional number as two, for a callback's state.
inline void put(std::vector<double>& state, const std::optional<double>& value) {
  state.push_back(value ? 1 : 0);
  state.push_back(value.value_or(0));
}
inline std::optional<double> get(const std::vector<double>& state, std::size_t at) {
  return state[at] != 0 ? std::optional(state[at + 1]) : std::nullopt;
}

}  // namespace lamina::training
