#pragma once

namespace lamina::core {

// Denormal numbers, those too small for a float's full precision, cost a processor a hundred times
// as much as others. The CPU computes with zeros in their place, as XLA does: gradients that vanish
// and averages that decay would otherwise slow training down. Moving bits is no arithmetic and
// keeps them. It is a mode of a thread on x86-64; elsewhere all of this does nothing.

/// How a thread treats denormal numbers: the bits of MXCSR that say so.
using Flushing = unsigned;

/// While it lives, denormal operands and results of this thread's arithmetic are zeros. One within
/// another changes nothing.
class FlushDenormals {
 public:
  explicit FlushDenormals(bool flush = true) noexcept;
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
  /// Every thread is again as it was.
  ~FlushDenormals();

  /// Before a library opens parallel regions of its own, of `threads` at most: if this thread
  /// flushes by such an object, all threads of its OpenMP pool do until that goes. They are the
  /// user's as well, and must not stay so. Takes two regions, in all.
  static void in_pool(int threads) noexcept;

 private:
  friend class ParallelRegion;
  bool outermost_ = false;
  int pool_ = 0;  ///< threads that flush as well
  Flushing before_ = 0;
};

/// Around a parallel region of our own, whose threads are to treat denormal numbers as this one
/// does:
///
///     const core::ParallelRegion region;
///     #pragma omp parallel for
///     for (...) {
///       const core::SameFlushing same(region);
class ParallelRegion {
 public:
  ParallelRegion() noexcept;
  ParallelRegion(const ParallelRegion&) = delete;
  ParallelRegion& operator=(const ParallelRegion&) = delete;
  ~ParallelRegion();

 private:
  friend class SameFlushing;
  Flushing flushing_;
};

class SameFlushing {
 public:
  explicit SameFlushing(const ParallelRegion& region) noexcept;
  SameFlushing(const SameFlushing&) = delete;
  SameFlushing& operator=(const SameFlushing&) = delete;
  ~SameFlushing();

 private:
  Flushing before_;
};

}  // namespace lamina::core
