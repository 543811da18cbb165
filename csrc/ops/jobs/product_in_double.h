#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/cpu/vectorized.h"

namespace lamina::ops::jobs {

/// One block of a product of matrices in double: sum over p of a(i, p) * b(p, j), in the order of p
/// within parts of `kDepth`. Factors are packed part by part, so that each element is fetched, and
/// made a double, once for many products. Needs no memory of the heap: it lies on the stack.
class ProductInDouble {
 public:
  static constexpr std::int64_t kRows = 60, kColumns = 128;

  /// Of the block with so many rows and columns, at most the above.
  template <class A, class B>
  void compute(std::int64_t rows, std::int64_t depth, std::int64_t columns, const A& a,
               const B& b) {
    std::fill(sums_, sums_ + kRows * kColumns, 0.0);
    for (std::int64_t begin = 0; begin < depth; begin += kDepth) {
      const std::int64_t part = std::min(kDepth, depth - begin);
      for (std::int64_t row = 0; row < rows; row += kTileRows) {
        pack<kTileRows>(a_ + row * kDepth, part, std::min(kTileRows, rows - row),
                        [&](std::int64_t i, std::int64_t p) { return a(row + i, begin + p); });
      }
      for (std::int64_t column = 0; column < columns; column += kTileColumns) {
        pack<kTileColumns>(
            b_, part, std::min(kTileColumns, columns - column),
            [&](std::int64_t j, std::int64_t p) { return b(begin + p, column + j); });
        for (std::int64_t row = 0; row < rows; row += kTileRows) {
          cpu::vectorized(Tile{a_ + row * kDepth, b_, sums_ + row * kColumns + column}, 0, part);
        }
      }
    }
  }
  [[nodiscard]] double at(std::int64_t row, std::int64_t column) const {
    return sums_[row * kColumns + column];
  }

 private:
  static constexpr std::int64_t kTileRows = 6, kTileColumns = 8, kDepth = 128;
  static_assert(kRows % kTileRows == 0 && kColumns % kTileColumns == 0);

  /// What fits the registers: adds the products of parts [begin, end) of packed factors.
  struct Tile {
    const double *a, *b;
    double* sums;
    LAMINA_ALWAYS_INLINE void operator()(std::int64_t begin, std::int64_t end) const {
      double sum[kTileRows][kTileColumns] = {};
      for (std::int64_t p = begin; p < end; ++p) {
#pragma GCC unroll 8
        for (std::int64_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 8
          for (std::int64_t j = 0; j < kTileColumns; ++j) {
            sum[i][j] += a[p * kTileRows + i] * b[p * kTileColumns + j];
          }
        }
      }
      for (std::int64_t i = 0; i < kTileRows; ++i) {
        for (std::int64_t j = 0; j < kTileColumns; ++j) sums[i * kColumns + j] += sum[i][j];
      }
    }
  };

  /// `count` lines of `size` elements as kWidth of them, side by side; zeros where there are none.
  template <std::int64_t kWidth, class F>
  static void pack(double* into, std::int64_t size, std::int64_t count, const F& element) {
    for (std::int64_t p = 0; p < size; ++p) {
      for (std::int64_t i = 0; i < count; ++i) into[p * kWidth + i] = element(i, p);
      for (std::int64_t i = count; i < kWidth; ++i) into[p * kWidth + i] = 0;
    }
  }

  double a_[kRows * kDepth], b_[kTileColumns * kDepth], sums_[kRows * kColumns];
};

}  // namespace lamina::ops::jobs
