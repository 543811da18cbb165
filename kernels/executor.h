// The things that every kernel is made of: a functor over an index, and a reduction of groups. An
// executor runs them: this one where it is called; executor.cuh's as kernels of a GPU.
//
// Functors that take several neighbours at once say so: `kPack` of them where in_packs(), each by
// at<kPack>(i), one by at<1>(i).
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/host_device.h"

namespace lamina::kernels {

/// How a reduction of `groups` groups of `size` elements is cut up, so that a GPU is busy.
struct Slices {
  std::int64_t count = 1;  ///< parts of each group, reduced apart and then together
  bool along = false;      ///< neighbours in a group are neighbours in memory

  /// `neighbours`: whether a group's elements follow one another in memory.
  static Slices of(std::int64_t groups, std::int64_t size, bool neighbours) {
    constexpr std::int64_t kBlocks = 1024;
    const std::int64_t kLeast = neighbours ? 256 : 64;
    const std::int64_t blocks = neighbours ? groups : (groups + 255) / 256;
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

/// Groups that are columns: x[(o * rows + r) * columns + c] is element r of group o * columns + c.
struct Columns {
  std::int64_t outer = 0, rows = 0, columns = 0;
};

/// A thread by itself, as a team. What teams have in common: what one thread calls of its team, all
/// do; element i is the same thread's in each call, which may go on with what it wrote.
struct Alone {
  /// `first`, which changes no result that it is combined with, combined with element(i) for i in
  /// [0, size): for all threads of the team.
  template <class A, class Element, class Combine>
  [[nodiscard]] LAMINA_HOST_DEVICE A reduce(std::int64_t size, const A& first,
                                            const Element& element, const Combine& combine) const {
    A all = first;
    for (std::int64_t i = 0; i < size; ++i) all = combine(all, element(i));
    return all;
  }
  template <class F>
  LAMINA_HOST_DEVICE void each(std::int64_t size, const F& f) const {
    for (std::int64_t i = 0; i < size; ++i) f(i);
  }
};

struct HostExecutor {
  /// f(i) for i in [0, n), or f.at.
  template <class F>
  void for_each(std::int64_t n, const F& f) const {
    if constexpr (requires { F::kPack; }) {
      std::int64_t i = 0;
      if (f.in_packs()) {
        for (; i + F::kPack <= n; i += F::kPack) f.template at<F::kPack>(i);
      }
      for (; i < n; ++i) f.template at<1>(i);
    } else {
      for (std::int64_t i = 0; i < n; ++i) f(i);
    }
  }

  /// f(i, team) for i in [0, n): a team each.
  template <class F>
  void for_each_team(std::int64_t n, const F& f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i, Alone{});
  }

  /// f.at<N>(i, f.prepare<N>(i % channels)): a thread keeps what it prepared. f.in_packs() only
  /// where channels are a multiple of kPack, or where nothing depends on them.
  template <class F>
  void for_each_channel(std::int64_t n, std::int64_t channels, const F& f) const {
    std::int64_t i = 0;
    if (f.in_packs()) {
      for (; i + F::kPack <= n; i += F::kPack) {
        f.template at<F::kPack>(i, f.template prepare<F::kPack>(i % channels));
      }
    }
    for (; i < n; ++i) f.template at<1>(i, f.template prepare<1>(i % channels));
  }

  /// As reduce(), of columns: f.add<N>(sums, f.prepare<N>(column), at) adds the N elements from
  /// x[at] on to as many sums, which began as F::Sum{}; f.total(sum) is an accumulator.
  template <class F>
  void reduce_columns(const Columns& all, const Slices& slices, void* parts, const F& f) const {
    if (f.in_packs() && all.columns % F::kPack == 0) {
      reduce_packs<F::kPack>(all, slices, parts, f);
    } else {
      reduce_packs<1>(all, slices, parts, f);
    }
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
    if (slices.count > 1) together(groups, slices.count, partial, f);
  }

 private:
  template <class F, class A>
  static void together(std::int64_t groups, std::int64_t count, const A* partial, const F& f) {
    for (std::int64_t g = 0; g < groups; ++g) {
      A all = f.zero();
      for (std::int64_t slice = 0; slice < count; ++slice) {
        all = f.combine(all, partial[slice * groups + g]);
      }
      f.finish(g, all);
    }
  }
  template <int N, class F>
  void reduce_packs(const Columns& all, const Slices& slices, void* parts, const F& f) const {
    using A = decltype(f.zero());
    auto* const partial = static_cast<A*>(parts);
    const std::int64_t groups = all.outer * all.columns;
    for (std::int64_t g = 0; g < groups; g += N) {
      const std::int64_t column = g % all.columns;
      const auto prepared = f.template prepare<N>(column);
      for (std::int64_t slice = 0; slice < slices.count; ++slice) {
        typename F::Sum sums[N] = {};
        const std::int64_t last = all.rows * (slice + 1) / slices.count;
        for (std::int64_t r = all.rows * slice / slices.count; r < last; ++r) {
          f.template add<N>(sums, prepared,
                            (g / all.columns * all.rows + r) * all.columns + column);
        }
        for (int k = 0; k < N; ++k) {
          if (slices.count == 1) {
            f.finish(g + k, f.total(sums[k]));
          } else {
            partial[slice * groups + g + k] = f.total(sums[k]);
          }
        }
      }
    }
    if (slices.count > 1) together(groups, slices.count, partial, f);
  }
};

}  // namespace lamina::kernels
