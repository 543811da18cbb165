// Groups of elements reduced, and what is made of each element with its group's numbers.
#pragma once
#include <limits>

#include "kernels/element.h"
#include "kernels/elementwise.h"
#include "kernels/executor.h"
#include "kernels/layout.h"
#include "kernels/pack.h"

namespace lamina::kernels {

/// An array as groups of elements: element k of group g lies at kept.at(g) + reduced.at(k).
struct Groups {
  Layout kept, reduced;
  std::int64_t count, size;
  Slices slices;
  LAMINA_HOST_DEVICE std::int64_t at(std::int64_t g, std::int64_t k) const {
    return kept.at(g) + reduced.at(k);
  }
  /// Whether they are columns, and which.
  [[nodiscard]] bool are_columns(Columns& out) const {
    if (kept.rank < 1 || kept.rank > 2 || kept.strides[kept.rank - 1] != 1) return false;
    const std::int64_t columns = kept.dims[kept.rank - 1];
    if (reduced.rank > 1 || (reduced.rank == 1 && reduced.strides[0] != columns)) return false;
    if (kept.rank == 2 && kept.strides[0] != size * columns) return false;
    out = {kept.rank == 2 ? kept.dims[0] : 1, size, columns};
    return true;
  }
};

/// For reductions to which all columns are alike.
template <int N>
struct Nothing {};

/// Reduces the groups, as columns where they are such.
template <class Executor, class F>
void reduce_groups(Executor& executor, const Groups& groups, void* parts, const F& f) {
  if (Columns columns; groups.are_columns(columns)) {
    executor.reduce_columns(columns, groups.slices, parts, f);
  } else {
    executor.reduce(groups.count, groups.size, groups.slices, parts, f);
  }
}

/// Below every element: where a maximum begins.
template <class C>
[[nodiscard]] LAMINA_HOST_DEVICE C lowest() {
  if constexpr (std::is_floating_point_v<C>) {
    return -std::numeric_limits<C>::infinity();
  } else {
    return std::numeric_limits<C>::lowest();
  }
}

enum class ReduceKind : std::uint8_t { kMean, kMax, kSum };

struct ReduceJob {
  DType dtype;
  ReduceKind kind;
  const void* x;
  void *y, *parts;
  Groups groups;
};

template <class T>
struct ReduceGroups {
  using C = compute_t<T>;
  ReduceKind kind;
  const T* x;
  T* y;
  Groups groups;

  LAMINA_HOST_DEVICE C zero() const { return kind == ReduceKind::kMax ? lowest<C>() : C(0); }
  LAMINA_HOST_DEVICE C combine(C a, C b) const {
    return kind == ReduceKind::kMax ? MaximumOp{}(a, b) : static_cast<C>(a + b);
  }
  LAMINA_HOST_DEVICE C element(std::int64_t g, std::int64_t k) const {
    return widen(x[groups.at(g, k)]);
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, C all) const {
    if constexpr (std::is_floating_point_v<C>) {
      if (kind == ReduceKind::kMean) all /= static_cast<C>(groups.size);
    }
    y[g] = narrow<T>(all);
  }

  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(x); }
  struct Sum {
    C value;
    bool any;
  };
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE Nothing<N> prepare(std::int64_t) const {
    return {};
  }
  template <int N>
  LAMINA_HOST_DEVICE void add(Sum (&sums)[N], const Nothing<N>&, std::int64_t at) const {
    C values[N];
    load(x, at, values);
    for (int k = 0; k < N; ++k) {
      sums[k].value = sums[k].any ? combine(sums[k].value, values[k]) : values[k];
      sums[k].any = true;
    }
  }
  [[nodiscard]] LAMINA_HOST_DEVICE C total(const Sum& sum) const {
    return sum.any ? sum.value : zero();
  }
};

template <class Executor>
bool execute(const ReduceJob& job, Executor& executor) {
  return dispatch(job.dtype, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return false;
    } else {
      reduce_groups(executor, job.groups, job.parts,
                    ReduceGroups<T>{job.kind, static_cast<const T*>(job.x), static_cast<T*>(job.y),
                                    job.groups});
      return true;
    }
  });
}

/// `x` and `largest` for kMax, where the largest elements share evenly. `shares`: a number of the
/// type that elements are computed in, for each group.
struct ReduceGradientJob {
  DType dtype;
  ReduceKind kind;
  const void *x, *largest, *dy;
  void *y, *shares, *parts;
  Groups groups;
};

template <class T>
struct CountLargest {
  using C = compute_t<T>;
  ReduceGradientJob job;
  LAMINA_HOST_DEVICE C zero() const { return C(0); }
  LAMINA_HOST_DEVICE C combine(C a, C b) const { return a + b; }
  LAMINA_HOST_DEVICE C element(std::int64_t g, std::int64_t k) const {
    const C x = widen(static_cast<const T*>(job.x)[job.groups.at(g, k)]);
    return x == widen(static_cast<const T*>(job.largest)[g]) ? C(1) : C(0);
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, C count) const {
    static_cast<C*>(job.shares)[g] = widen(static_cast<const T*>(job.dy)[g]) / count;
  }
};

template <class T>
struct SpreadShares {
  using C = compute_t<T>;
  ReduceGradientJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t g = i / job.groups.size;
    const std::int64_t at = job.groups.at(g, i % job.groups.size);
    C share = 0;
    if (job.kind != ReduceKind::kMax) {
      share = widen(static_cast<const T*>(job.dy)[g]);
      if (job.kind == ReduceKind::kMean) share /= static_cast<C>(job.groups.size);
    } else if (widen(static_cast<const T*>(job.x)[at]) ==
               widen(static_cast<const T*>(job.largest)[g])) {
      share = static_cast<const C*>(job.shares)[g];
    }
    static_cast<T*>(job.y)[at] = narrow<T>(share);
  }
};

/// The same for the mean or the sum of columns.
template <class T>
struct SpreadColumns {
  using C = compute_t<T>;
  const T* dy;
  T* y;
  Columns all;
  C scale;
  bool narrow_index;  ///< indices fit 32 bits, in which a GPU divides far faster
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const { return all.columns % kPack == 0 && aligned<kPack>(dy, y); }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    C values[N];
    load(dy, narrow_index ? from(static_cast<std::uint32_t>(i)) : from(i), values);
    for (int k = 0; k < N; ++k) values[k] *= scale;
    store(y, i, values);
  }

 private:
  template <class Index>
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t from(Index i) const {
    const Index columns = static_cast<Index>(all.columns), row = i / columns;
    const Index outer = row / static_cast<Index>(all.rows);
    return static_cast<std::int64_t>(outer) * all.columns +
           static_cast<std::int64_t>(i - row * columns);
  }
};

template <class Executor>
bool execute(const ReduceGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    const Groups& all = job.groups;
    if (Columns columns; job.kind != ReduceKind::kMax && all.are_columns(columns)) {
      using C = compute_t<T>;
      const C scale = job.kind == ReduceKind::kMean ? C(1) / static_cast<C>(all.size) : C(1);
      const std::int64_t size = all.count * all.size;
      executor.for_each(
          size, SpreadColumns<T>{static_cast<const T*>(job.dy), static_cast<T*>(job.y), columns,
                                 scale, size <= std::numeric_limits<std::int32_t>::max()});
      return;
    }
    if (job.kind == ReduceKind::kMax) {
      executor.reduce(all.count, all.size, all.slices, job.parts, CountLargest<T>{job});
    }
    executor.for_each(all.count * all.size, SpreadShares<T>{job});
  });
}

/// Two numbers of a group.
template <class C>
struct Two {
  C first, second;
};

/// The largest element, and the sum of exp(x - largest): `sums` holds two numbers a group.
struct SoftmaxJob {
  DType dtype;
  bool log;
  const void* x;
  void *y, *sums, *parts;
  Groups groups;
};

template <class T>
struct SumExponentials {
  using C = compute_t<T>;
  SoftmaxJob job;
  LAMINA_HOST_DEVICE Two<C> zero() const { return {-std::numeric_limits<C>::infinity(), C(0)}; }
  LAMINA_HOST_DEVICE Two<C> combine(Two<C> a, Two<C> b) const {
    if (b.second == C(0)) return a;
    if (a.second == C(0)) return b;
    const C largest = a.first > b.first ? a.first : b.first;
    // Nothing but minus infinity so far, whose distance from itself is no number.
    if (largest == -std::numeric_limits<C>::infinity()) return {largest, a.second + b.second};
    return {largest,
            a.second * std::exp(a.first - largest) + b.second * std::exp(b.first - largest)};
  }
  LAMINA_HOST_DEVICE Two<C> element(std::int64_t g, std::int64_t k) const {
    return {widen(static_cast<const T*>(job.x)[job.groups.at(g, k)]), C(1)};
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, Two<C> all) const {
    static_cast<Two<C>*>(job.sums)[g] = all;
  }
};

template <class T>
struct SoftmaxMap {
  using C = compute_t<T>;
  SoftmaxJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t g = i / job.groups.size;
    const std::int64_t at = job.groups.at(g, i % job.groups.size);
    const Two<C> sum = static_cast<const Two<C>*>(job.sums)[g];
    const C shifted = widen(static_cast<const T*>(job.x)[at]) - sum.first;
    static_cast<T*>(job.y)[at] =
        narrow<T>(job.log ? shifted - std::log(sum.second) : std::exp(shifted) / sum.second);
  }
};

template <class Executor>
bool execute(const SoftmaxJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    const Groups& all = job.groups;
    executor.reduce(all.count, all.size, all.slices, job.parts, SumExponentials<T>{job});
    executor.for_each(all.count * all.size, SoftmaxMap<T>{job});
  });
}

/// From y = softmax(x). `sums`: one number a group.
struct SoftmaxGradientJob {
  DType dtype;
  bool log;
  const void *value, *dy;
  void *y, *sums, *parts;
  Groups groups;
};

template <class T>
struct SumSoftmaxGradient {
  using C = compute_t<T>;
  SoftmaxGradientJob job;
  LAMINA_HOST_DEVICE C zero() const { return C(0); }
  LAMINA_HOST_DEVICE C combine(C a, C b) const { return a + b; }
  LAMINA_HOST_DEVICE C element(std::int64_t g, std::int64_t k) const {
    const std::int64_t at = job.groups.at(g, k);
    const C d = widen(static_cast<const T*>(job.dy)[at]);
    return job.log ? d : d * widen(static_cast<const T*>(job.value)[at]);
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, C all) const {
    static_cast<C*>(job.sums)[g] = all;
  }
};

template <class T>
struct SoftmaxGradientMap {
  using C = compute_t<T>;
  SoftmaxGradientJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t g = i / job.groups.size;
    const std::int64_t at = job.groups.at(g, i % job.groups.size);
    const C value = widen(static_cast<const T*>(job.value)[at]);
    const C d = widen(static_cast<const T*>(job.dy)[at]);
    const C sum = static_cast<const C*>(job.sums)[g];
    static_cast<T*>(job.y)[at] = narrow<T>(job.log ? d - std::exp(value) * sum : value * (d - sum));
  }
};

template <class Executor>
bool execute(const SoftmaxGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    const Groups& all = job.groups;
    executor.reduce(all.count, all.size, all.slices, job.parts, SumSoftmaxGradient<T>{job});
    executor.for_each(all.count * all.size, SoftmaxGradientMap<T>{job});
  });
}

}  // namespace lamina::kernels
