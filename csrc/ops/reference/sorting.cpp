#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/reference/element.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops::reference {
namespace {

/// Whether a stands before b in ascending order.
template <class T>
bool before(T a, T b, bool zeros_differ) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(b) && !std::isnan(a);
    if (a == b && zeros_differ) return std::signbit(a) && !std::signbit(b);
  }
  return a < b;
}

}  // namespace

void evaluate(const Argsort& op, const Operands& operands) {
  const std::int64_t size = op.x.shape[-1];
  dispatch(op.x.dtype, [&]<class T>(T) {
    const T* x = operands.input<T>(0);
    auto* y = operands.output<std::int32_t>();
    for (std::int64_t i = 0; i < op.x.shape.size(); i += size, x += size, y += size) {
      std::iota(y, y + size, 0);
      std::stable_sort(y, y + size, [&](std::int32_t a, std::int32_t b) {
        const auto first = widen(x[a]), second = widen(x[b]);
        return op.descending ? before(second, first, true) : before(first, second, false);
      });
    }
  });
}

}  // namespace lamina::ops::reference
