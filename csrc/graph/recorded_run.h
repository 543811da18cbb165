#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ops/backend.h"

namespace lamina::graph {

/// A run that may come again with the same memory: done step by step the first time, recorded the
/// second, and from then on given to the device as one. What was recorded must outlive this.
class RecordedRun {
 public:
  /// What a recording depends on: where inputs and outputs lie, and the kernels' parameters (see
  /// Parameters::packs).
  struct Key {
    std::vector<const void*> places;
    std::uint64_t packs = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };

  /// Does `steps` or what it would do. Where the backend cannot record it, which is worth a
  /// warning, it is done step by step for good.
  void run(ops::Backend& backend, Key key, const std::function<void()>& steps);

 private:
  void record(ops::Backend& backend, const std::function<void()>& steps);

  Key key_;
  std::unique_ptr<ops::Replay> replay_;
  bool in_vain_ = false;
};

}  // namespace lamina::graph
