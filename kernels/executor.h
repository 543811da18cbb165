// The two things that every kernel is made of: a functor over an index, and a reduction of groups.
// An executor runs them: this one where it is called; executor.cuh's as kernels of a GPU.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lamina::kernels {

/// How a reduction of `groups` groups of `size` elements is cut up, so that a GPU is busy.
struct Slices {
  std::int64_t count = 1;  ///< parts of each group, reduced apart and then together
  bool along = false;      ///< neighbours in a group are neighbours in memory

  /// `neighbours`: whether a group's elements follow one another in memory.
  static Slices of(std::int64_t groups, std::int64_t size, bool neighbours) {
    constexpr std::int64_t kBlocks = 1024, kLeast = 256;
    const std::int64_t blocks = neighbours ? groups : (groups + 31) / 32;
    std::int64_t count = blocks > 0 ? kBlocks / blocks : 1;
    if (count > size / kLeast) count = size / kLeast;
    return {count < 1 ? 1 : count, neighbours};
  }
  /// Workspace for accumulators of type A.
  template <class A>
  [[nodiscard]] std::size_t bytes(std::int64_t groups) const {
    return count == 1 ? 0 : static_cast<std::size_t>(count * groups) * sizeof(A);
  }
};

struct HostExecutor {
  /// f(i) for i in [0, n).
  template <class F>
  void for_each(std::int64_t n, const F& f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }

  /// For each group g: f.finish(g, accumulator), where the accumulator is f.zero() combined with
  /// f.element(g, k) for k in [0, size). `parts`: Slices::bytes of memory.
  template <class F>
  void reduce(std::int64_t groups, std::int64_t size, const Slices& slices, void* parts,
              const F& f) const {
    using A = decltype(f.zero());
    auto* const partial = static_cast<A*>(parts);
    for (std::int64_t slice = 0; slice < slices.count; ++slice) {
      for (std::int64_t g = 0; g < groups; ++g) {
        A all = f.zero();
        for (std::int64_t k = size * slice / slices.count; k < size * (slice + 1) / slices.count;
             ++k) {
          all = f.combine(all, f.element(g, k));
        }
        if (slices.count == 1) {
          f.finish(g, all);
        } else {
          partial[slice * groups + g] = all;
        }
      }
    }
    if (slices.count == 1) return;
    for (std::int64_t g = 0; g < groups; ++g) {
      A all = f.zero();
      for (std::int64_t slice = 0; slice < slices.count; ++slice) {
        all = f.combine(all, partial[slice * groups + g]);
      }
      f.finish(g, all);
    }
  }
};

}  // namespace lamina::kernels
