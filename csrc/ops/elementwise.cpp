#include "ops/elementwise.h"

namespace lamina::ops {

bool derives_from_output(const Activation& activation) {
  return with_unary<double>(activation, [](auto act) {
    if constexpr (kernels::HasOutputDerivative<decltype(act)>) return act.from_output();
    return false;
  });
}

}  // namespace lamina::ops
