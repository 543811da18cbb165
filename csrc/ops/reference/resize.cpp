#include <algorithm>
#include <vector>

#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/resize_weights.h"

namespace lamina::ops::reference {
namespace {

template <class T>
T resize_at(const Resize2D& op, const T* image, const ResizeTaps& rows, const ResizeTaps& columns,
            std::int64_t channel) {
  using C = compute_t<T>;
  C sum = 0;
  for (std::size_t i = 0; i < rows.weights.size(); ++i) {
    for (std::size_t j = 0; j < columns.weights.size(); ++j) {
      const std::int64_t h = rows.first + static_cast<std::int64_t>(i);
      const std::int64_t w = columns.first + static_cast<std::int64_t>(j);
      sum += static_cast<C>(rows.weights[i] * columns.weights[j]) *
             widen(image[(h * op.x.shape[2] + w) * op.x.shape[3] + channel]);
    }
  }
  return narrow<T>(sum);
}

}  // namespace

void evaluate(const Resize2D& op, const Operands& operands) {
  const auto rows = resize_taps(op, 1);
  const auto columns = resize_taps(op, 2);
  const std::int64_t image_size = op.x.shape[1] * op.x.shape[2] * op.x.shape[3];
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    T* y = operands.output<T>();
    for (std::int64_t n = 0; n < op.y.shape[0]; ++n) {
      const T* image = operands.input<T>(0) + n * image_size;
      for (const ResizeTaps& row : rows) {
        for (const ResizeTaps& column : columns) {
          for (std::int64_t c = 0; c < op.y.shape[3]; ++c)
            *y++ = resize_at(op, image, row, column, c);
        }
      }
    }
  });
}

void evaluate(const Resize2DGradient& op, const Operands& operands) {
  const Shape& in = op.of.x.shape;
  const auto rows = resize_taps(op.of, 1);
  const auto columns = resize_taps(op.of, 2);
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* dy = operands.input<T>(0);
    std::vector<C> sums(static_cast<std::size_t>(in.size()), C(0));
    for (std::int64_t n = 0; n < in[0]; ++n) {
      for (const ResizeTaps& row : rows) {
        for (const ResizeTaps& column : columns) {
          for (std::size_t i = 0; i < row.weights.size(); ++i) {
            for (std::size_t j = 0; j < column.weights.size(); ++j) {
              const std::int64_t h = row.first + static_cast<std::int64_t>(i);
              const std::int64_t w = column.first + static_cast<std::int64_t>(j);
              const C weight = static_cast<C>(row.weights[i] * column.weights[j]);
              C* sum = sums.data() + ((n * in[1] + h) * in[2] + w) * in[3];
              for (std::int64_t c = 0; c < in[3]; ++c) sum[c] += weight * widen(dy[c]);
            }
          }
          dy += in[3];
        }
      }
    }
    std::transform(sums.begin(), sums.end(), operands.output<T>(),
                   [](C sum) { return narrow<T>(sum); });
  });
}

}  // namespace lamina::ops::reference
