// What regularizers add to the loss, l1 * sum(|w|) + l2 * sum(w^2), and to gradients.
#pragma once
#include "kernels/element.h"
#include "kernels/executor.h"
#include "kernels/updates.h"

namespace lamina::kernels {

struct PenaltyFactors {
  double l1 = 0, l2 = 0;
};

/// The factors as Keras has them: of the weights' dtype.
template <class S>
[[nodiscard]] PenaltyFactors rounded(const PenaltyFactors& factors) {
  using T = compute_t<S>;
  return {static_cast<double>(widen(narrow<S>(T(factors.l1)))),
          static_cast<double>(widen(narrow<S>(T(factors.l2))))};
}

/// sums[p]: what the elements [p * kPieceSize, (p + 1) * kPieceSize) of `w` add to the loss.
struct PenaltyJob {
  DType dtype;
  PenaltyFactors factors;
  const void* w;
  std::int64_t size;
  double* sums;
};

template <class S>
struct SumPenalties {
  PenaltyJob job;
  LAMINA_HOST_DEVICE double zero() const { return 0; }
  LAMINA_HOST_DEVICE double combine(double a, double b) const { return a + b; }
  LAMINA_HOST_DEVICE double element(std::int64_t piece, std::int64_t k) const {
    const std::int64_t i = piece * kPieceSize + k;
    if (i >= job.size) return 0;
    const auto w = static_cast<double>(element_of<S>(job.w, i));
    return job.factors.l1 * (w < 0 ? -w : w) + job.factors.l2 * (w * w);
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t piece, double sum) const { job.sums[piece] = sum; }
};

template <class Executor>
bool execute(const PenaltyJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    SumPenalties<S> sum{job};
    sum.job.factors = rounded<S>(job.factors);
    executor.reduce((job.size + kPieceSize - 1) / kPieceSize, kPieceSize, Slices{1, true}, nullptr,
                    sum);
  });
}

/// gradient = gradient + scale * (l1 * sign(w) + 2 * l2 * w); without `gradient.in` it was zero.
struct PenaltyGradientJob {
  DType dtype;
  PenaltyFactors factors;
  double scale;
  const void* w;
  InOut gradient;
  std::int64_t size;
};

template <class S>
struct AddPenaltyGradient {
  using T = compute_t<S>;
  T l1, l2, scale;
  const void* w;
  InOut gradient;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const T x = element_of<S>(w, i);
    const T sign = x > T(0) ? T(1) : (x < T(0) ? T(-1) : x);  // of what is no number, that
    const T before = gradient.in == nullptr ? T(0) : element_of<S>(gradient.in, i);
    static_cast<S*>(gradient.out)[i] = narrow<S>(before + scale * (l1 * sign + T(2) * l2 * x));
  }
};

template <class Executor>
bool execute(const PenaltyGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    using T = compute_t<S>;
    const PenaltyFactors factors = rounded<S>(job.factors);
    executor.for_each(job.size, AddPenaltyGradient<S>{T(factors.l1), T(factors.l2), T(job.scale),
                                                      job.w, job.gradient});
  });
}

}  // namespace lamina::kernels
