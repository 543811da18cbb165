// Windows over images (NHWC): pooling, and convolutions where a library has none.
#pragma once
#include "kernels/activation.h"
#include "kernels/reductions.h"

namespace lamina::kernels {

/// x (images, in_height, in_width, in_channels) under windows, to y. For a transposed convolution
/// the same, with x and y changing places where positions are mapped.
struct Geometry {
  std::int64_t images, in[2], out[2], in_channels, out_channels;
  std::int64_t window[2], strides[2], dilation[2], before[2];
};

struct Place {
  std::int64_t image, row, column, channel;
  LAMINA_HOST_DEVICE Place(std::int64_t i, const std::int64_t (&size)[2], std::int64_t channels)
      : image(i / channels / size[1] / size[0]),
        row(i / channels / size[1] % size[0]),
        column(i / channels % size[1]),
        channel(i % channels) {}
};

LAMINA_HOST_DEVICE inline std::int64_t offset(std::int64_t image, std::int64_t row,
                                              std::int64_t column, std::int64_t channel,
                                              const std::int64_t (&size)[2],
                                              std::int64_t channels) {
  return ((image * size[0] + row) * size[1] + column) * channels + channel;
}

/// The valid part of a pooling window along one dimension.
struct Extent {
  std::int64_t begin, end;
  LAMINA_HOST_DEVICE Extent(const Geometry& g, int dim, std::int64_t out) {
    const std::int64_t start = out * g.strides[dim] - g.before[dim];
    const std::int64_t stop = start + g.window[dim];
    begin = start < 0 ? 0 : start;
    end = stop > g.in[dim] ? g.in[dim] : stop;
  }
};

struct PoolJob {
  DType dtype;
  bool max;
  Geometry geometry;
  const void* x;
  void* y;
  std::int64_t size;
};

template <class T>
struct PoolMap {
  using C = compute_t<T>;
  PoolJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const Geometry& g = job.geometry;
    const Place at(i, g.out, g.out_channels);
    const Extent rows(g, 0, at.row), columns(g, 1, at.column);
    C result = job.max ? lowest<C>() : C(0);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      for (std::int64_t k = columns.begin; k < columns.end; ++k) {
        const C value = widen(
            static_cast<const T*>(job.x)[offset(at.image, r, k, at.channel, g.in, g.in_channels)]);
        result = job.max ? MaximumOp{}(result, value) : static_cast<C>(result + value);
      }
    }
    if (!job.max) {
      result = static_cast<C>(
          result / static_cast<C>((rows.end - rows.begin) * (columns.end - columns.begin)));
    }
    static_cast<T*>(job.y)[i] = narrow<T>(result);
  }
};

template <class Executor>
bool execute(const PoolJob& job, Executor& executor) {
  return dispatch(job.dtype, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return false;
    } else {
      executor.for_each(job.size, PoolMap<T>{job});
      return true;
    }
  });
}

/// For each element of x the windows that see it: no sum depends on the threads' order. The first
/// of several largest elements takes all, which no library promises.
struct PoolGradientJob {
  DType dtype;
  bool max;
  Geometry geometry;
  const void *x, *dy;
  void* y;
  std::int64_t size;
};

template <class T>
struct PoolGradientMap {
  using C = compute_t<T>;
  PoolGradientJob job;

  [[nodiscard]] LAMINA_HOST_DEVICE C x(std::int64_t i) const {
    return widen(static_cast<const T*>(job.x)[i]);
  }
  /// Where a window's first largest element lies.
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t winner(const Place& at, const Extent& rows,
                                                       const Extent& columns) const {
    const Geometry& g = job.geometry;
    std::int64_t best =
        offset(at.image, rows.begin, columns.begin, at.channel, g.in, g.in_channels);
    C largest = x(best);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      std::int64_t here = offset(at.image, r, columns.begin, at.channel, g.in, g.in_channels);
      for (std::int64_t k = columns.begin; k < columns.end; ++k, here += g.in_channels) {
        const C value = x(here);
        if (largest >= value) continue;
        best = here;
        largest = value;
      }
    }
    return best;
  }
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const Geometry& g = job.geometry;
    const Place at(i, g.in, g.in_channels);
    C sum = 0;
    for (std::int64_t r = first(0, at.row); r < g.out[0]; ++r) {
      const Extent rows(g, 0, r);
      if (rows.begin > at.row) break;
      for (std::int64_t k = first(1, at.column); k < g.out[1]; ++k) {
        const Extent columns(g, 1, k);
        if (columns.begin > at.column) break;
        if (rows.end <= at.row || columns.end <= at.column) continue;
        const std::int64_t out = offset(at.image, r, k, at.channel, g.out, g.out_channels);
        const C d = widen(static_cast<const T*>(job.dy)[out]);
        if (!job.max) {
          sum += d / static_cast<C>((rows.end - rows.begin) * (columns.end - columns.begin));
        } else if (winner(at, rows, columns) == i) {
          sum += d;
        }
      }
    }
    static_cast<T*>(job.y)[i] = narrow<T>(sum);
  }

 private:
  /// The first output whose window can reach a position.
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t first(int dim, std::int64_t in) const {
    const Geometry& g = job.geometry;
    const std::int64_t reach = in + g.before[dim] - g.window[dim] + 1;
    return reach <= 0 ? 0 : (reach + g.strides[dim] - 1) / g.strides[dim];
  }
};

template <class Executor>
bool execute(const PoolGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype,
                        [&]<class T>(T) { executor.for_each(job.size, PoolGradientMap<T>{job}); });
}

/// y = act(x * kernel + bias) + residual. The kernel lies as a layer has it: (height, width, in /
/// groups, out), or transposed (height, width, out / groups, in); kernel and bias are of the type
/// that elements are computed in.
struct ConvolutionJob {
  DType dtype;
  bool transposed;
  Geometry geometry;
  std::int64_t groups;
  Function function;
  const void *x, *kernel, *bias, *residual;
  void* y;
  std::int64_t size;
};

/// The position on the other side that a window's tap joins to this one, or -1.
LAMINA_HOST_DEVICE inline std::int64_t tap_source(const Geometry& g, int dim, bool transposed,
                                                  std::int64_t out, std::int64_t tap) {
  if (!transposed) {
    const std::int64_t in = out * g.strides[dim] - g.before[dim] + tap * g.dilation[dim];
    return in < g.in[dim] ? in : -1;
  }
  const std::int64_t scaled = out + g.before[dim] - tap * g.dilation[dim];
  if (scaled < 0 || scaled % g.strides[dim] != 0) return -1;
  const std::int64_t in = scaled / g.strides[dim];
  return in < g.in[dim] ? in : -1;
}

template <class T>
struct ConvolutionMap {
  using C = compute_t<T>;
  ConvolutionJob job;

  [[nodiscard]] LAMINA_HOST_DEVICE C dot(const Place& at, std::int64_t tap, std::int64_t row,
                                         std::int64_t column) const {
    const Geometry& g = job.geometry;
    const std::int64_t channels = g.in_channels / job.groups, filters = g.out_channels / job.groups;
    const std::int64_t first = at.channel / filters * channels;
    const C* kernel = static_cast<const C*>(job.kernel);
    kernel += job.transposed ? (tap * filters + at.channel % filters) * g.in_channels + first
                             : tap * channels * g.out_channels + at.channel;
    const std::int64_t step = job.transposed ? 1 : g.out_channels;
    const T* x =
        static_cast<const T*>(job.x) + offset(at.image, row, column, first, g.in, g.in_channels);
    C sum = 0;
    for (std::int64_t c = 0; c < channels; ++c) sum += widen(x[c]) * kernel[c * step];
    return sum;
  }
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const Geometry& g = job.geometry;
    const Place at(i, g.out, g.out_channels);
    C sum = job.bias == nullptr ? C(0) : static_cast<const C*>(job.bias)[at.channel];
    for (std::int64_t r = 0; r < g.window[0]; ++r) {
      const std::int64_t row = tap_source(g, 0, job.transposed, at.row, r);
      if (row < 0) continue;
      for (std::int64_t k = 0; k < g.window[1]; ++k) {
        const std::int64_t column = tap_source(g, 1, job.transposed, at.column, k);
        if (column >= 0) sum += dot(at, r * g.window[1] + k, row, column);
      }
    }
    C value = job.function.value(sum);
    if (job.residual != nullptr) value += widen(static_cast<const T*>(job.residual)[i]);
    static_cast<T*>(job.y)[i] = narrow<T>(value);
  }
};

template <class Executor>
bool execute(const ConvolutionJob& job, Executor& executor) {
  return dispatch_float(job.dtype,
                        [&]<class T>(T) { executor.for_each(job.size, ConvolutionMap<T>{job}); });
}

/// The gradient with respect to a kernel (height, width, in / groups, out): each element a sum over
/// all positions of the output.
struct KernelGradientJob {
  DType dtype;
  Geometry geometry;
  std::int64_t groups;
  const void *x, *dy;
  void *y, *parts;
  std::int64_t size;  ///< of the kernel
  Slices slices;
};

template <class T>
struct KernelGradient {
  using C = compute_t<T>;
  KernelGradientJob job;

  LAMINA_HOST_DEVICE C zero() const { return C(0); }
  LAMINA_HOST_DEVICE C combine(C a, C b) const { return a + b; }
  LAMINA_HOST_DEVICE C element(std::int64_t i, std::int64_t position) const {
    const Geometry& g = job.geometry;
    const std::int64_t channels = g.in_channels / job.groups, filters = g.out_channels / job.groups;
    const std::int64_t filter = i % g.out_channels, channel = i / g.out_channels % channels;
    const std::int64_t tap = i / g.out_channels / channels;
    const Place at(position, g.out, 1);
    const std::int64_t row = tap_source(g, 0, false, at.row, tap / g.window[1]);
    const std::int64_t column = tap_source(g, 1, false, at.column, tap % g.window[1]);
    if (row < 0 || column < 0) return C(0);
    const std::int64_t in = filter / filters * channels + channel;
    const T* x = static_cast<const T*>(job.x);
    const T* dy = static_cast<const T*>(job.dy);
    return widen(x[offset(at.image, row, column, in, g.in, g.in_channels)]) *
           widen(dy[position * g.out_channels + filter]);
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t i, C all) const {
    static_cast<T*>(job.y)[i] = narrow<T>(all);
  }
};

template <class Executor>
bool execute(const KernelGradientJob& job, Executor& executor) {
  const Geometry& g = job.geometry;
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.reduce(job.size, g.images * g.out[0] * g.out[1], job.slices, job.parts,
                    KernelGradient<T>{job});
  });
}

/// c (rows, columns) = act(a * b + bias) + residual, where a is (rows, depth) or, with
/// `transpose_a`, (depth, rows), and b is (depth, columns) or (columns, depth). a and c are of
/// `dtype`; b is too with `b_like_a`, else of the type that elements are computed in, as the bias
/// (columns) is, and with `wide_c` c. So for each of several `matrices`, which lie one behind the
/// other.
struct ProductJob {
  DType dtype;
  bool transpose_a, transpose_b, b_like_a, wide_c;
  Function function;
  std::int64_t rows, columns, depth;
  std::int64_t matrices = 1;
  const void *a, *b, *bias, *residual;
  void* c;
};

template <class T>
struct ProductMap {
  using C = compute_t<T>;
  ProductJob job;
  [[nodiscard]] LAMINA_HOST_DEVICE C b(std::int64_t i) const {
    return job.b_like_a ? widen(static_cast<const T*>(job.b)[i]) : static_cast<const C*>(job.b)[i];
  }
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t column = i % job.columns, at = i / job.columns;
    const std::int64_t row = at % job.rows, matrix = at / job.rows;
    const T* a = static_cast<const T*>(job.a) + matrix * job.rows * job.depth;
    const std::int64_t first = matrix * job.depth * job.columns;
    C sum = job.bias == nullptr ? C(0) : static_cast<const C*>(job.bias)[column];
    for (std::int64_t k = 0; k < job.depth; ++k) {
      sum += widen(a[job.transpose_a ? k * job.rows + row : row * job.depth + k]) *
             b(first + (job.transpose_b ? column * job.depth + k : k * job.columns + column));
    }
    C value = job.function.value(sum);
    if (job.residual != nullptr) value += widen(static_cast<const T*>(job.residual)[i]);
    if (job.wide_c) {
      static_cast<C*>(job.c)[i] = value;
    } else {
      static_cast<T*>(job.c)[i] = narrow<T>(value);
    }
  }
};

template <class Executor>
bool execute(const ProductJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.for_each(job.matrices * job.rows * job.columns, ProductMap<T>{job});
  });
}

}  // namespace lamina::kernels
