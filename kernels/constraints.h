// What constraints make of weights after a step: Keras's formulas, norms of groups of elements.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/element.h"
#include "kernels/executor.h"
#include "kernels/pack.h"
#include "kernels/reductions.h"
#include "kernels/updates.h"

namespace lamina::kernels {

enum class ConstraintKind : std::uint8_t { kNonNeg, kMaxNorm, kUnitNorm, kMinMaxNorm };

/// The numbers that a constraint has; those of its kind count.
struct ConstraintRule {
  ConstraintKind kind = ConstraintKind::kNonNeg;
  double min_value = 0, max_value = 0, rate = 1;
};

template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE T clipped(T x, T least, T most) {
  const T above = x < least ? least : x;
  return above > most ? most : above;
}

/// The new weight, from the old one and its group's norm.
template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE T constrained(const ConstraintRule& rule, T w, T norm) {
  const T least = T(rule.min_value), most = T(rule.max_value), rate = T(rule.rate);
  const T divisor = T(1e-7) + norm;
  switch (rule.kind) {
    case ConstraintKind::kNonNeg:
      return w < T(0) ? T(0) : w;
    case ConstraintKind::kMaxNorm:
      return w * (clipped(norm, T(0), most) / divisor);
    case ConstraintKind::kUnitNorm:
      return w / divisor;
    case ConstraintKind::kMinMaxNorm:
      return w * ((rate * clipped(norm, least, most) + (T(1) - rate) * norm) / divisor);
  }
  return w;
}

/// `norms`: a number of the type that elements are computed in, for each group; `parts`: workspace
/// of doubles (see Slices::bytes). kNonNeg needs neither these nor groups.
struct ConstrainJob {
  DType dtype;
  ConstraintRule rule;
  InOut value;
  std::int64_t size;
  Groups groups;
  void *norms, *parts;
};

template <class S>
struct Norms {
  using T = compute_t<S>;
  const S* w;
  T* norms;
  Groups groups;

  [[nodiscard]] LAMINA_HOST_DEVICE double zero() const { return 0; }
  [[nodiscard]] LAMINA_HOST_DEVICE double combine(double a, double b) const { return a + b; }
  [[nodiscard]] LAMINA_HOST_DEVICE double element(std::int64_t g, std::int64_t k) const {
    const auto x = static_cast<double>(widen(w[groups.at(g, k)]));
    return x * x;
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, double sum) const {
    norms[g] = static_cast<T>(std::sqrt(sum));
  }

  static constexpr int kPack = small_pack_size<S>;
  using Sum = double;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(w); }
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE Nothing<N> prepare(std::int64_t) const {
    return {};
  }
  template <int N>
  LAMINA_HOST_DEVICE void add(Sum (&sums)[N], const Nothing<N>&, std::int64_t at) const {
    T values[N];
    load(w, at, values);
    for (int k = 0; k < N; ++k) {
      sums[k] += static_cast<double>(values[k]) * static_cast<double>(values[k]);
    }
  }
  [[nodiscard]] LAMINA_HOST_DEVICE double total(const Sum& sum) const { return sum; }
};

/// Element i of all groups, one group after another; of columns, one row after another.
template <class S>
struct ConstrainElement {
  using T = compute_t<S>;
  ConstrainJob job;
  Columns columns;
  bool are_columns;

  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    if (job.rule.kind == ConstraintKind::kNonNeg) return put(i, T(0));
    if (are_columns) {
      const std::int64_t outer = i / (columns.rows * columns.columns);
      return put(i, norm(outer * columns.columns + i % columns.columns));
    }
    const std::int64_t g = i / job.groups.size;
    put(job.groups.at(g, i % job.groups.size), norm(g));
  }

 private:
  [[nodiscard]] LAMINA_HOST_DEVICE T norm(std::int64_t g) const {
    return static_cast<const T*>(job.norms)[g];
  }
  LAMINA_HOST_DEVICE void put(std::int64_t at, T norm) const {
    static_cast<S*>(job.value.out)[at] =
        narrow<S>(constrained(job.rule, element_of<S>(job.value.in, at), norm));
  }
};

template <class Executor>
bool execute(const ConstrainJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    Columns columns;
    const bool has_norms = job.rule.kind != ConstraintKind::kNonNeg;
    const bool are_columns = has_norms && job.groups.are_columns(columns);
    if (has_norms) {
      const Norms<S> norms{static_cast<const S*>(job.value.in),
                           static_cast<compute_t<S>*>(job.norms), job.groups};
      if (are_columns) {
        executor.reduce_columns(columns, job.groups.slices, job.parts, norms);
      } else {
        executor.reduce(job.groups.count, job.groups.size, job.groups.slices, job.parts, norms);
      }
    }
    executor.for_each(job.size, ConstrainElement<S>{job, columns, are_columns});
  });
}

}  // namespace lamina::kernels
