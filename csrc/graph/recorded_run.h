#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ops/backend.h"
#include "ops/replay.h"

namespace lamina::graph {

/// A run that may come again with the same memory: done step by step the first time, recorded the
/// second, and from then on given to the device as one. What was recorded must outlive this.
class RecordedRun {
 public:
  /// Where inputs and outputs lie: what a recording depends on, for parameters keep their places
  /// (see Kernel::load_parameters).
  using Places = std::vector<const void*>;

  /// Does `steps` or what it would do. Where the backend cannot record it, which is worth a
  /// warning, it is done step by step for good.
  void run(ops::Backend& backend, Places places, const std::function<void()>& steps);

 private:
  void record(ops::Backend& backend, const std::function<void()>& steps);

  std::optional<Places> last_;
  std::unique_ptr<ops::Replay> replay_;
  bool in_vain_ = false;
};

}  // namespace lamina::graph
