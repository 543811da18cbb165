#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamina::training {

/// The states of an epoch in Keras's words.
class ProgressText {
 public:
  /// `columns` of a bar are drawn, with colours; 0: a line without one.
  ProgressText(std::int64_t steps, int columns) : steps_(steps), columns_(columns) {}

  /// Logs are shown in the order in which they came to be, those of one call in that of their
  /// names: what a callback adds stands behind what the model has.
  void add(const Logs& logs);
  /// So many steps are done, `seconds` after the epoch began: the first one, which is slow, does
  /// not count in the time of a step.
  void step(std::int64_t done, double seconds);
  /// Of logs that were added. `last`: the epoch is over.
  [[nodiscard]] std::string str(std::int64_t done, double seconds, const Logs& logs,
                                bool last) const;

 private:
  [[nodiscard]] double step_seconds(std::int64_t done, double seconds) const;
  [[nodiscard]] std::string bar(std::int64_t done) const;
  [[nodiscard]] std::string number(double value) const;

  std::int64_t steps_;
  int columns_;
  std::optional<double> first_step_;  ///< when it was done
  std::vector<std::string> names_;
};

}  // namespace lamina::training
