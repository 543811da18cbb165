#include <algorithm>
#include <cstring>
#include <vector>

#include "core/convert.h"
#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"
#include "ops/strides.h"

namespace lamina::ops::reference {
namespace {

std::int64_t product(const Shape& shape, std::size_t first, std::size_t last) {
  std::int64_t result = 1;
  for (std::size_t i = first; i < last; ++i) result *= shape.dims()[i];
  return result;
}

}  // namespace

void evaluate(const Concat& op, const Operands& operands) {
  const std::int64_t outer = product(op.y.shape, 0, op.axis);
  auto* y = operands.output<std::byte>();
  for (std::int64_t i = 0; i < outer; ++i) {
    for (std::size_t k = 0; k < op.xs.size(); ++k) {
      const std::size_t bytes = op.xs[k].nbytes() / static_cast<std::size_t>(outer);
      if (bytes == 0) continue;
      std::memcpy(y, operands.input<std::byte>(k) + static_cast<std::size_t>(i) * bytes, bytes);
      y += bytes;
    }
  }
}

void evaluate(const Pad& op, const Operands& operands) {
  const std::size_t rank = op.x.shape.rank();
  const Strides strides = row_major(op.x.shape);
  dispatch(op.y.dtype, [&]<class T>(T) {
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    const T value = core::convert<double, T>(op.value);
    for (std::int64_t i = 0; i < op.y.shape.size(); ++i) {
      std::int64_t rest = i;
      std::int64_t offset = 0;
      bool inside = true;
      for (std::size_t axis = rank; axis-- > 0;) {
        const std::int64_t at = rest % op.y.shape.dims()[axis] - op.before[axis];
        rest /= op.y.shape.dims()[axis];
        inside = inside && at >= 0 && at < op.x.shape.dims()[axis];
        offset += at * strides[axis];
      }
      y[i] = inside ? x[offset] : value;
    }
  });
}

void evaluate(const Transpose& op, const Operands& operands) {
  const Strides own = row_major(op.x.shape);
  Strides strides;
  for (const std::size_t axis : op.perm) strides.push_back(own[axis]);
  dispatch(op.y.dtype, [&]<class T>(T) {
    const T* x = operands.input<T>(0);
    T* y = operands.output<T>();
    for_each_offset(op.y.shape.dims(), strides, [&](std::int64_t at) { *y++ = x[at]; });
  });
}

void evaluate(const Reshape& op, const Operands& operands) {
  const void* x = operands.inputs[0];
  if (op.x.nbytes() != 0) std::memmove(operands.result, x, op.x.nbytes());
}

namespace {

/// `id` as a row, or -1 when it is none.
template <class Id>
std::int64_t row_of(Id id, std::int64_t rows) {
  if constexpr (is_float_element<Id>) {
    const double value = static_cast<double>(widen(id));
    // Written so that NaN is refused.
    return value > -1.0 && value < static_cast<double>(rows) ? static_cast<std::int64_t>(value)
                                                             : -1;
  } else {
    const std::int64_t row = core::convert<Id, std::int64_t>(id);
    return row < rows ? row : -1;
  }
}

template <class Id>
[[noreturn]] void refuse(Id id, std::int64_t at, std::int64_t rows) {
  throw ValueError("Gather: the id " + std::to_string(core::convert<Id, double>(id)) +
                   " at position " + std::to_string(at) + " is outside [0, " +
                   std::to_string(rows) + ").");
}

}  // namespace

void evaluate(const Gather& op, const Operands& operands) {
  const std::size_t width = static_cast<std::size_t>(op.y.shape[-1]) * dtype_size(op.y.dtype);
  const auto* table = op.flows ? operands.input<std::byte>(1) : operands.param<std::byte>(0);
  auto* y = operands.output<std::byte>();
  dispatch(op.ids.dtype, [&]<class Id>(Id) {
    const Id* ids = operands.input<Id>(0);
    for (std::int64_t i = 0; i < op.ids.shape.size(); ++i) {
      const std::int64_t row = row_of(ids[i], op.rows);
      if (row < 0) refuse(ids[i], i, op.rows);
      if (width != 0)
        std::memcpy(y + static_cast<std::size_t>(i) * width,
                    table + static_cast<std::size_t>(row) * width, width);
    }
  });
}

void evaluate(const GatherGradient& op, const Operands& operands) {
  const std::int64_t width = op.y.shape[-1];
  dispatch_float(op.y.dtype, [&]<class T>(T) {
    using C = compute_t<T>;
    const T* dy = operands.input<T>(1);
    const auto size = static_cast<std::size_t>(op.y.shape.size());
    // Sums of narrower dtypes are rounded once.
    std::vector<C> wide(std::is_same_v<C, T> ? 0 : size);
    C* sums = wide.data();
    if constexpr (std::is_same_v<C, T>) sums = operands.output<T>();
    std::fill_n(sums, size, C(0));
    dispatch(op.of.ids.dtype, [&]<class Id>(Id) {
      const Id* ids = operands.input<Id>(0);
      for (std::int64_t i = 0; i < op.of.ids.shape.size(); ++i) {
        const std::int64_t row = row_of(ids[i], op.of.rows);
        if (row < 0) refuse(ids[i], i, op.of.rows);
        C* sum = sums + row * width;
        for (std::int64_t k = 0; k < width; ++k) sum[k] += widen(dy[i * width + k]);
      }
    });
    std::transform(wide.begin(), wide.end(), operands.output<T>(),
                   [](C sum) { return narrow<T>(sum); });
  });
}

}  // namespace lamina::ops::reference
