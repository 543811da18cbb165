#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weights/weight_tree.h"

namespace lamina::training {

/// What a run needs to go on to the same bits, beside weights, optimizer and the callbacks' own
/// variables. A value that knows no run and no file.
struct RunState {
  /// What a callback was when the state was taken.
  struct OfCallback {
    std::string class_name;
    std::vector<double> numbers;  ///< always as many
    bool operator==(const OfCallback&) const = default;
  };
  /// Where each epoch begins in the data, when that is not at their beginning.
  struct OfData {
    std::int64_t batches = 0, initial_epoch = 0;
    bool operator==(const OfData&) const = default;
  };

  std::uint64_t seed = 0;
  std::int64_t epoch = 0, batch = 0;         ///< what is trained next
  std::int64_t samples = 0, batch_size = 0;  ///< 0 of a loader
  std::int64_t steps_per_epoch = 0;
  bool shuffles = false;
  std::int64_t step = 0;  ///< batches trained in all
  bool stopped = false;
  std::string optimizer = {};        ///< its class
  std::vector<double> metrics = {};  ///< what they have gathered in the epoch so far
  std::optional<OfData> data = {};   ///< with `steps_per_epoch` alone
  std::vector<OfCallback> callbacks = {};
  bool operator==(const RunState&) const = default;
};

using StateVariables = std::vector<weights::WeightVariable>;

/// Puts the state into `variables`: those of its keys that are there get new values, the others are
/// added. `data` and the classes, which a run never changes, stay as they are there. Of the name of
/// a class 32 bytes are kept. Throws ValueError when there are more or fewer metrics' or callbacks'
/// numbers than before.
void encode(const RunState& state, StateVariables& variables);

/// The state that variables hold which are shaped as `encode` shapes those of `now`, and have been
/// loaded from `file`: what it does not say, how many numbers each callback has, is as in `now`.
/// Throws ValueError for a state of another version, or of another number of callbacks.
[[nodiscard]] RunState decode(const StateVariables& variables, const RunState& now,
                              const std::filesystem::path& file);

/// Throws ValueError, saying what differs, when a run that is at `now` cannot go on from what
/// `file` has saved, as it was decoded: data, batches, shuffling and the classes of optimizer and
/// callbacks have to be the same; and when it has saved a place that no run has come to.
void require_same_run(const RunState& saved, const RunState& now,
                      const std::filesystem::path& file);

}  // namespace lamina::training
