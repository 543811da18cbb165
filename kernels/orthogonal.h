// What OrthogonalRegularizer makes of a matrix: how far its rows, or its columns, are from standing
// upright on each other (keras/src/regularizers/regularizers.py).
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/element.h"
#include "kernels/executor.h"
#include "kernels/updates.h"

namespace lamina::kernels {

/// The rows or the columns of a matrix: element k of vector v is w[v * step + k * stride].
struct Vectors {
  const void* w = nullptr;
  std::int64_t count = 0, length = 0, step = 0, stride = 0;

  template <class S>
  [[nodiscard]] LAMINA_HOST_DEVICE double at(std::int64_t v, std::int64_t k) const {
    return static_cast<double>(element_of<S>(w, v * step + k * stride));
  }
};

/// inverse[v] = min(1 / |vector v|, 1e7), by which Keras normalizes.
struct InverseNormsJob {
  DType dtype;
  Vectors vectors;
  double* inverse;
};

template <class S>
struct InverseNorms {
  InverseNormsJob job;
  [[nodiscard]] LAMINA_HOST_DEVICE double zero() const { return 0; }
  [[nodiscard]] LAMINA_HOST_DEVICE double combine(double a, double b) const { return a + b; }
  [[nodiscard]] LAMINA_HOST_DEVICE double element(std::int64_t v, std::int64_t k) const {
    const double x = job.vectors.template at<S>(v, k);
    return x * x;
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t v, double sum) const {
    const double inverse = 1 / std::sqrt(sum);
    job.inverse[v] = inverse > 1e7 ? 1e7 : inverse;
  }
};

template <class Executor>
bool execute(const InverseNormsJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    executor.reduce(job.vectors.count, job.vectors.length, Slices{1, job.vectors.stride == 1},
                    nullptr, InverseNorms<S>{job});
  });
}

/// Of the `rows` vectors from `first` on with all: cosines[v * count + u], 0 where u is v, and
/// sums[v], those of their absolute values.
struct CosinesJob {
  DType dtype;
  Vectors vectors;
  std::int64_t first, rows;
  const double* inverse;
  double* cosines;
  double* sums;
};

template <class S>
struct Cosines {
  CosinesJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t v = job.first + i / job.vectors.count, u = i % job.vectors.count;
    double product = 0;
    if (u != v) {
      for (std::int64_t k = 0; k < job.vectors.length; ++k) {
        product += job.vectors.template at<S>(v, k) * job.vectors.template at<S>(u, k);
      }
      product *= job.inverse[v] * job.inverse[u];
    }
    job.cosines[v * job.vectors.count + u] = product;
  }
};

struct SumCosines {
  CosinesJob job;
  [[nodiscard]] LAMINA_HOST_DEVICE double zero() const { return 0; }
  [[nodiscard]] LAMINA_HOST_DEVICE double combine(double a, double b) const { return a + b; }
  [[nodiscard]] LAMINA_HOST_DEVICE double element(std::int64_t row, std::int64_t u) const {
    const double cosine = job.cosines[(job.first + row) * job.vectors.count + u];
    return cosine < 0 ? -cosine : cosine;
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t row, double sum) const {
    job.sums[job.first + row] = sum;
  }
};

template <class Executor>
bool execute(const CosinesJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    executor.for_each(job.rows * job.vectors.count, Cosines<S>{job});
    executor.reduce(job.rows, job.vectors.count, Slices{1, true}, nullptr, SumCosines{job});
  });
}

/// Adds `scale` times the derivatives of the sum over all u < v of |cosine| to those of the vectors
/// from `first` on; without `gradient.in` these were zero. With n = x / |x| for each vector, that
/// of x is (q - n (n q)) / |x|, where q sums sign(cosine) n over the others, and n q is the sum of
/// |cosine|; where 1 / |x| is clipped, it is q 1e7.
struct OrthogonalGradientJob {
  DType dtype;
  Vectors vectors;
  std::int64_t first, rows;
  const double* inverse;
  const double* cosines;
  const double* sums;
  double scale;
  InOut gradient;
};

/// By what vector u adds to the q of v.
[[nodiscard]] LAMINA_HOST_DEVICE inline double direction(const OrthogonalGradientJob& job,
                                                         std::int64_t v, std::int64_t u) {
  const double cosine = job.cosines[v * job.vectors.count + u];
  const double sign = cosine > 0 ? 1 : (cosine < 0 ? -1 : cosine);  // of no number, that
  return sign * job.inverse[u];
}

/// What becomes of element k of the gradient of v by that of its q.
template <class S>
LAMINA_HOST_DEVICE void add_orthogonal_gradient(const OrthogonalGradientJob& job, std::int64_t v,
                                                std::int64_t k, double q) {
  using T = compute_t<S>;
  const Vectors& all = job.vectors;
  if (job.inverse[v] < 1e7) q -= all.template at<S>(v, k) * job.inverse[v] * job.sums[v];
  const double slope = job.scale * job.inverse[v] * q;
  const std::int64_t at = v * all.step + k * all.stride;
  const T before = job.gradient.in == nullptr ? T(0) : element_of<S>(job.gradient.in, at);
  static_cast<S*>(job.gradient.out)[at] = narrow<S>(before + static_cast<T>(slope));
}

template <class S>
struct AddOrthogonalGradient {
  OrthogonalGradientJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const Vectors& all = job.vectors;
    const std::int64_t v = job.first + i / all.length, k = i % all.length;
    double q = 0;
    for (std::int64_t u = 0; u < all.count; ++u) {
      q += direction(job, v, u) * all.template at<S>(u, k);
    }
    add_orthogonal_gradient<S>(job, v, k, q);
  }
};

template <class Executor>
bool execute(const OrthogonalGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    executor.for_each(job.rows * job.vectors.length, AddOrthogonalGradient<S>{job});
  });
}

}  // namespace lamina::kernels
