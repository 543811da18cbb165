// Elements moved, or summed where they go.
#pragma once
#include "core/convert.h"
#include "kernels/element.h"
#include "kernels/layout.h"

namespace lamina::kernels {

/// y[to.at(i)] = x[from.at(i)].
struct CopyJob {
  std::size_t element;  ///< bytes
  const void* x;
  void* y;
  Layout from, to;
  std::int64_t size;
};

template <class T>
struct CopyMap {
  const T* x;
  T* y;
  Layout from, to;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const { y[to.at(i)] = x[from.at(i)]; }
};

template <class Executor>
bool execute(const CopyJob& job, Executor& executor) {
  return dispatch_bytes(job.element, [&]<class T>(T) {
    executor.for_each(job.size, CopyMap<T>{static_cast<const T*>(job.x), static_cast<T*>(job.y),
                                           job.from, job.to});
  });
}

/// x inside a frame of `value`; a negative amount before or after crops.
struct PadJob {
  std::size_t element;
  std::uint64_t value;  ///< the bits of one element, from the lowest on
  const void* x;
  void* y;
  int rank;
  std::int64_t in[kMaxRank], out[kMaxRank], before[kMaxRank];
  std::int64_t size;
};

template <class T>
struct PadMap {
  PadJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    std::int64_t rest = i, offset = 0, stride = 1;
    bool inside = true;
    for (int d = job.rank - 1; d >= 0; --d) {
      const std::int64_t at = rest % job.out[d] - job.before[d];
      rest /= job.out[d];
      inside = inside && at >= 0 && at < job.in[d];
      offset += at * stride;
      stride *= job.in[d];
    }
    static_cast<T*>(job.y)[i] =
        inside ? static_cast<const T*>(job.x)[offset] : static_cast<T>(job.value);
  }
};

template <class Executor>
bool execute(const PadJob& job, Executor& executor) {
  return dispatch_bytes(job.element,
                        [&]<class T>(T) { executor.for_each(job.size, PadMap<T>{job}); });
}

/// Which positions along one dimension make each output position, and with what weights:
/// those from starts[i] to starts[i + 1].
struct Taps {
  const std::int32_t *starts, *positions;
  const double* weights;
};

/// y[n, h, w, c]: the sum over rows.taps(h) and columns.taps(w).
struct ResizeJob {
  DType dtype;
  const void* x;
  void* y;
  std::int64_t in_height, in_width, height, width, channels, size;
  Taps rows, columns;
};

template <class T>
struct ResizeMap {
  ResizeJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t c = i % job.channels;
    const std::int64_t w = i / job.channels % job.width;
    const std::int64_t h = i / job.channels / job.width % job.height;
    const std::int64_t n = i / job.channels / job.width / job.height;
    const T* image = static_cast<const T*>(job.x) + n * job.in_height * job.in_width * job.channels;
    compute_t<T> sum = 0;
    for (std::int32_t r = job.rows.starts[h]; r < job.rows.starts[h + 1]; ++r) {
      for (std::int32_t k = job.columns.starts[w]; k < job.columns.starts[w + 1]; ++k) {
        const std::int64_t at =
            (job.rows.positions[r] * job.in_width + job.columns.positions[k]) * job.channels + c;
        sum += static_cast<compute_t<T>>(job.rows.weights[r] * job.columns.weights[k]) *
               widen(image[at]);
      }
    }
    static_cast<T*>(job.y)[i] = narrow<T>(sum);
  }
};

template <class Executor>
bool execute(const ResizeJob& job, Executor& executor) {
  return dispatch_float(job.dtype,
                        [&]<class T>(T) { executor.for_each(job.size, ResizeMap<T>{job}); });
}

/// A number of any dtype as a row, or -1 when it is none; floats are truncated.
struct Ids {
  DType dtype;
  const void* values;
  std::int64_t rows;

  template <class T>
  LAMINA_HOST_DEVICE std::int64_t row(std::int64_t i) const {
    const T id = static_cast<const T*>(values)[i];
    if constexpr (is_float_element<T>) {
      const double value = static_cast<double>(widen(id));
      // Written so that NaN is refused.
      return value > -1.0 && value < static_cast<double>(rows) ? static_cast<std::int64_t>(value)
                                                               : -1;
    } else {
      const std::int64_t value = static_cast<std::int64_t>(id);
      return value >= 0 && value < rows ? value : -1;
    }
  }
  LAMINA_HOST_DEVICE std::int64_t operator[](std::int64_t i) const {
    switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits) \
  case DType::enumerator:                          \
    return row<type>(i);
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
    }
    return -1;
  }
};

/// Rows of a table. `refused`: one byte an id; 1 where it names no row, and y's row is zeros.
struct GatherJob {
  std::size_t element;
  Ids ids;
  const void* table;
  void* y;
  std::uint8_t* refused;
  std::int64_t count, width;
};

template <class T>
struct GatherMap {
  GatherJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t row = job.ids[i / job.width];
    if (i % job.width == 0) job.refused[i / job.width] = row < 0;
    static_cast<T*>(job.y)[i] =
        row < 0 ? T(0) : static_cast<const T*>(job.table)[row * job.width + i % job.width];
  }
};

template <class Executor>
bool execute(const GatherJob& job, Executor& executor) {
  return dispatch_bytes(job.element, [&]<class T>(T) {
    executor.for_each(job.count * job.width, GatherMap<T>{job});
  });
}

/// Each row of y: the sum of dy of its ids. The ids that name one row are a list, in their order:
/// so sums do not depend on which thread comes first. `links`: 2 * count numbers of workspace.
struct GatherGradientJob {
  DType dtype;
  Ids ids;
  const void* dy;
  void* y;
  std::int64_t* links;
  std::uint8_t* refused;
  std::int64_t count, width;
};

/// For each id the next one like it (or -1), and whether an earlier one is like it.
struct LinkIds {
  Ids ids;
  std::int64_t* links;
  std::uint8_t* refused;
  std::int64_t count;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t row = ids[i];
    std::int64_t next = -1, earlier = row < 0 ? 1 : 0;
    for (std::int64_t k = i + 1; k < count && next < 0; ++k) {
      if (ids[k] == row) next = k;
    }
    for (std::int64_t k = 0; k < i && earlier == 0; ++k) earlier = ids[k] == row ? 1 : 0;
    links[i] = next;
    links[count + i] = earlier;
    refused[i] = row < 0;
  }
};

template <class T>
struct ZeroMap {
  T* y;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = narrow<T>(0); }
};

template <class T>
struct SumIds {
  GatherGradientJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t first = i / job.width, column = i % job.width;
    if (job.links[job.count + first] != 0) return;
    compute_t<T> sum = 0;
    for (std::int64_t k = first; k >= 0; k = job.links[k]) {
      sum += widen(static_cast<const T*>(job.dy)[k * job.width + column]);
    }
    static_cast<T*>(job.y)[job.ids[first] * job.width + column] = narrow<T>(sum);
  }
};

template <class Executor>
bool execute(const GatherGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.for_each(job.ids.rows * job.width, ZeroMap<T>{static_cast<T*>(job.y)});
    executor.for_each(job.count, LinkIds{job.ids, job.links, job.refused, job.count});
    executor.for_each(job.count * job.width, SumIds<T>{job});
  });
}

}  // namespace lamina::kernels
