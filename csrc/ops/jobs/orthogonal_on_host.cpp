#include "ops/jobs/orthogonal_on_host.h"

#include "ops/jobs/product_in_double.h"

namespace lamina::ops::jobs {
namespace {

static_assert(kVectorsAtOnce == ProductInDouble::kRows);

/// Calls f(first, count) for ranges of at most `step` that cover [begin, end).
template <class F>
void for_ranges(std::int64_t begin, std::int64_t end, std::int64_t step, const F& f) {
  for (; begin < end; begin += step) f(begin, std::min(step, end - begin));
}

template <class S>
void compute(const kernels::CosinesJob& job, std::int64_t first, std::int64_t rows) {
  const kernels::Vectors& all = job.vectors;
  ProductInDouble product;
  std::fill(job.sums + first, job.sums + first + rows, 0.0);
  for_ranges(0, all.count, ProductInDouble::kColumns, [&](std::int64_t other, std::int64_t count) {
    product.compute(
        rows, all.length, count,
        [&](std::int64_t i, std::int64_t k) { return all.template at<S>(first + i, k); },
        [&](std::int64_t k, std::int64_t j) { return all.template at<S>(other + j, k); });
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t v = first + i;
      for (std::int64_t j = 0; j < count; ++j) {
        const std::int64_t u = other + j;
        const double cosine = u == v ? 0 : product.at(i, j) * (job.inverse[v] * job.inverse[u]);
        job.cosines[v * all.count + u] = cosine;
        job.sums[v] += cosine < 0 ? -cosine : cosine;
      }
    }
  });
}

template <class S>
void compute(const kernels::OrthogonalGradientJob& job, std::int64_t first, std::int64_t rows) {
  const kernels::Vectors& all = job.vectors;
  ProductInDouble product;
  for_ranges(0, all.length, ProductInDouble::kColumns, [&](std::int64_t begin, std::int64_t count) {
    product.compute(
        rows, all.count, count,
        [&](std::int64_t i, std::int64_t u) { return kernels::direction(job, first + i, u); },
        [&](std::int64_t u, std::int64_t j) { return all.template at<S>(u, begin + j); });
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < count; ++j) {
        kernels::add_orthogonal_gradient<S>(job, first + i, begin + j, product.at(i, j));
      }
    }
  });
}

template <class Job>
bool execute_in_blocks(const Job& job) {
  return kernels::dispatch_float(job.dtype, [&]<class S>(S) {
    for_ranges(job.first, job.first + job.rows, kVectorsAtOnce,
               [&](std::int64_t first, std::int64_t rows) { compute<S>(job, first, rows); });
  });
}

}  // namespace

bool execute_on_host(const kernels::CosinesJob& job) {
  return execute_in_blocks(job);
}

bool execute_on_host(const kernels::OrthogonalGradientJob& job) {
  return execute_in_blocks(job);
}

}  // namespace lamina::ops::jobs
