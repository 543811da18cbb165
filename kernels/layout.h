#pragma once
#include <cstdint>

#include "kernels/host_device.h"

namespace lamina::kernels {

inline constexpr int kMaxRank = 8;

/// Where the elements of an array lie whose indices are counted row-major over `dims`.
struct Layout {
  int rank = 0;
  bool narrow = true;  ///< indices fit 32 bits, in which a GPU divides far faster
  std::int64_t dims[kMaxRank] = {};
  std::int64_t strides[kMaxRank] = {};

  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t at(std::int64_t i) const {
    if (rank == 1) return i * strides[0];
    return narrow ? offset(static_cast<std::uint32_t>(i)) : offset(i);
  }
  /// Elements in order.
  static Layout dense(std::int64_t size) {
    Layout out;
    if (size == 1) return out;
    out.rank = 1;
    out.narrow = size <= INT32_MAX;
    out.dims[0] = size;
    out.strides[0] = 1;
    return out;
  }
  /// Whether the last dimension's elements follow one another; else they are one and the same
  /// where in_packs.
  [[nodiscard]] LAMINA_HOST_DEVICE bool neighbours() const {
    return rank > 0 && strides[rank - 1] == 1;
  }
  /// Whether each n elements from a multiple of n on are n neighbours, at a multiple of n, or one.
  [[nodiscard]] bool in_packs(std::int64_t n) const {
    if (rank == 0) return false;
    const std::int64_t last = strides[rank - 1];
    if (last != 0 && last != 1) return false;
    for (int d = 0; d + 1 < rank; ++d) {
      if (last == 1 && strides[d] % n != 0) return false;
    }
    return rank == 1 || dims[rank - 1] % n == 0;
  }
  [[nodiscard]] std::int64_t size() const {
    std::int64_t all = 1;
    for (int d = 0; d < rank; ++d) all *= dims[d];
    return all;
  }

 private:
  template <class Index>
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t offset(Index i) const {
    std::int64_t at = 0;
    for (int d = rank - 1; d > 0; --d) {
      const Index dim = static_cast<Index>(dims[d]);
      const Index rest = i / dim;
      at += static_cast<std::int64_t>(i - rest * dim) * strides[d];
      i = rest;
    }
    return rank == 0 ? 0 : at + static_cast<std::int64_t>(i) * strides[0];
  }
};

}  // namespace lamina::kernels
