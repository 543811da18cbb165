#include <algorithm>
#include <vector>

#include "ops/elementwise.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops::reference {
namespace {

/// Row-major offset in a rank-4 array.
struct Index4 {
  explicit Index4(const Shape& shape) : d1(shape[1]), d2(shape[2]), d3(shape[3]) {}
  std::int64_t d1, d2, d3;
  std::int64_t operator()(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t l) const {
    return ((i * d1 + j) * d2 + k) * d3 + l;
  }
};

template <class F>
void for_each_output(const Shape& y, F&& f) {
  for (std::int64_t n = 0; n < y[0]; ++n) {
    for (std::int64_t h = 0; h < y[1]; ++h) {
      for (std::int64_t w = 0; w < y[2]; ++w) {
        for (std::int64_t c = 0; c < y[3]; ++c) f(n, h, w, c);
      }
    }
  }
}

/// The kernel taps that reach output position `out` along one dimension, as f(tap, input position).
template <class F>
void for_each_tap(const Conv2D& op, int dim, std::int64_t out, F&& f) {
  for (std::int64_t tap = 0; tap < op.kernel[dim]; ++tap) {
    const std::int64_t in = out * op.strides[dim] - op.pad_before[dim] + tap * op.dilation[dim];
    if (in >= 0 && in < op.x.shape[dim + 1]) f(tap, in);
  }
}

template <class F>
void for_each_tap(const Conv2DTranspose& op, int dim, std::int64_t out, F&& f) {
  for (std::int64_t tap = 0; tap < op.kernel[dim]; ++tap) {
    const std::int64_t scaled = out + op.pad_before[dim] - tap * op.dilation[dim];
    if (scaled < 0 || scaled % op.strides[dim] != 0) continue;
    const std::int64_t in = scaled / op.strides[dim];
    if (in < op.x.shape[dim + 1]) f(tap, in);
  }
}

template <class T>
compute_t<T> convolve_at(const Conv2D& op, const T* x, const compute_t<T>* kernel, std::int64_t n,
                         std::int64_t h, std::int64_t w, std::int64_t filter) {
  const Index4 at_x(op.x.shape);
  const std::int64_t filters = op.y.shape[3];
  const std::int64_t channels = op.x.shape[3] / op.groups;
  const std::int64_t first = filter * op.groups / filters * channels;
  const Index4 at_k({op.kernel[0], op.kernel[1], channels, filters});
  compute_t<T> sum = 0;
  for_each_tap(op, 0, h, [&](std::int64_t kh, std::int64_t ih) {
    for_each_tap(op, 1, w, [&](std::int64_t kw, std::int64_t iw) {
      for (std::int64_t c = 0; c < channels; ++c) {
        sum += widen(x[at_x(n, ih, iw, first + c)]) * kernel[at_k(kh, kw, c, filter)];
      }
    });
  });
  return sum;
}

template <class T>
compute_t<T> convolve_at(const Conv2DTranspose& op, const T* x, const compute_t<T>* kernel,
                         std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t filter) {
  const Index4 at_x(op.x.shape);
  const std::int64_t filters = op.y.shape[3] / op.groups;
  const std::int64_t channels = op.x.shape[3] / op.groups;
  const std::int64_t first = filter / filters * channels;
  const Index4 at_k({op.kernel[0], op.kernel[1], filters, op.x.shape[3]});
  compute_t<T> sum = 0;
  for_each_tap(op, 0, h, [&](std::int64_t kh, std::int64_t ih) {
    for_each_tap(op, 1, w, [&](std::int64_t kw, std::int64_t iw) {
      for (std::int64_t c = first; c < first + channels; ++c) {
        sum += widen(x[at_x(n, ih, iw, c)]) * kernel[at_k(kh, kw, filter % filters, c)];
      }
    });
  });
  return sum;
}

template <class T, class Op>
void convolve(const Op& op, const Operands& operands, const T* residual) {
  using C = compute_t<T>;
  const T* x = operands.input<T>(0);
  const C* kernel = operands.param<C>(0);
  const C* bias = op.bias ? operands.param<C>(1) : nullptr;
  T* y = operands.output<T>();
  const Index4 at_y(op.y.shape);
  with_unary<C>(op.activation, [&](auto act) {
    for_each_output(op.y.shape, [&](auto n, auto h, auto w, auto f) {
      const std::int64_t i = at_y(n, h, w, f);
      C value = act(convolve_at(op, x, kernel, n, h, w, f) + (bias ? bias[f] : C(0)));
      if (residual) value += widen(residual[i]);
      y[i] = narrow<T>(value);
    });
  });
}

}  // namespace

void evaluate(const Conv2D& op, const Operands& operands) {
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    convolve<T>(op, operands, op.residual ? operands.input<T>(1) : nullptr);
  });
}

void evaluate(const Conv2DTranspose& op, const Operands& operands) {
  dispatch_float(op.y.dtype, [&]<class T>(T) { convolve<T>(op, operands, nullptr); });
}

void evaluate(const Dense& op, const Operands& operands) {
  const std::int64_t depth = op.x.shape[-1];
  const std::int64_t units = op.y.shape[-1];
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    const C* kernel = operands.param<C>(0);
    T* y = operands.output<T>();
    with_unary<C>(op.activation, [&](auto act) {
      for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
        const std::int64_t row = i / units;
        const std::int64_t unit = i % units;
        C sum = op.bias ? operands.param<C>(1)[unit] : C(0);
        for (std::int64_t k = 0; k < depth; ++k) {
          sum += widen(x[row * depth + k]) *
                 kernel[op.transposed ? unit * depth + k : k * units + unit];
        }
        const C value = act(sum);
        y[i] = narrow<T>(op.residual ? value + widen(operands.input<T>(1)[i]) : value);
      }
    });
  });
}

void evaluate(const Conv2DKernelGradient& op, const Operands& operands) {
  const Conv2D& conv = op.of;
  const Index4 at_x(conv.x.shape), at_y(conv.y.shape);
  const std::int64_t filters = conv.y.shape[3], channels = conv.x.shape[3] / conv.groups;
  const Index4 at_k(op.y.shape);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* x = operands.input<T>(0);
    const T* dy = operands.input<T>(1);
    std::vector<C> sums(static_cast<std::size_t>(op.y.shape.size()), C(0));
    for_each_output(conv.y.shape, [&](auto n, auto h, auto w, auto f) {
      const std::int64_t first = f * conv.groups / filters * channels;
      const C d = widen(dy[at_y(n, h, w, f)]);
      for_each_tap(conv, 0, h, [&](std::int64_t kh, std::int64_t ih) {
        for_each_tap(conv, 1, w, [&](std::int64_t kw, std::int64_t iw) {
          for (std::int64_t c = 0; c < channels; ++c) {
            sums[static_cast<std::size_t>(at_k(kh, kw, c, f))] +=
                d * widen(x[at_x(n, ih, iw, first + c)]);
          }
        });
      });
    });
    std::transform(sums.begin(), sums.end(), operands.output<T>(),
                   [](C sum) { return narrow<T>(sum); });
  });
}

void evaluate(const DenseKernelGradient& op, const Operands& operands) {
  const std::int64_t depth = op.of.x.shape[-1];
  const std::int64_t units = op.of.y.shape[-1];
  const std::int64_t rows = op.of.y.shape.size() / units;
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    const T* x = operands.input<T>(0);
    const T* dy = operands.input<T>(1);
    T* y = operands.output<T>();
    for (std::int64_t i = 0; i < depth * units; ++i) {
      compute_t<T> sum = 0;
      for (std::int64_t row = 0; row < rows; ++row) {
        sum += widen(x[row * depth + i / units]) * widen(dy[row * units + i % units]);
      }
      y[i] = narrow<T>(sum);
    }
  });
}

}  // namespace lamina::ops::reference
