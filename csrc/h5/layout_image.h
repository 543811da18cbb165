#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace lamina::h5 {

/// A file of which only the written pieces exist. Reading what was never written gives zeros.
class SparseImage {
 public:
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  /// The pieces by offset; none overlap.
  [[nodiscard]] const std::map<std::uint64_t, std::vector<std::byte>>& pieces() const noexcept {
    return pieces_;
  }

 private:
  std::map<std::uint64_t, std::vector<std::byte>> pieces_;
};

}  // namespace lamina::h5
