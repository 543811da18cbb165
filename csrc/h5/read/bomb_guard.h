#pragma once
#include <unordered_set>

#include "h5/read/reader.h"

namespace lamina::h5 {

/// Refuses datasets that declare far more than the file stores: one alone, as Keras does, and many
/// that only together do. One that is small, or that is what it says, passes.
class BombGuard {
 public:
  explicit BombGuard(std::uint64_t file_size) : file_size_(file_size) {}

  /// Why the dataset is refused on its own; empty when it is not.
  [[nodiscard]] static std::string check(const Dataset& dataset);
  /// Counts a dataset that is about to be read, once. Throws Malformed when it is one too many.
  void admit(const Dataset& dataset);

 private:
  std::uint64_t file_size_;
  double declared_ = 0, stored_ = 0;
  std::unordered_set<std::string> paths_;
  std::unordered_set<std::uint64_t> headers_;  ///< hard links share what is stored
};

}  // namespace lamina::h5
