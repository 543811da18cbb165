#include "ops/elementwise.h"

namespace lamina::ops {

bool derives_from_output(const Activation& activation) {
  switch (activation.kind) {
    case Unary::kRelu:
      return activation.a >= 0 && activation.b > 0 && activation.c == 0;
    case Unary::kElu:
      return activation.a >= 0;
    case Unary::kSigmoid:
    case Unary::kTanh:
    case Unary::kExponential:
      return true;
    case Unary::kLinear:
    case Unary::kSilu:
    case Unary::kGelu:
    case Unary::kGeluTanh:
    case Unary::kHardSigmoid:
    case Unary::kHardSilu:
    case Unary::kSelu:
    case Unary::kSoftplus:
    case Unary::kSoftsign:
    case Unary::kMish:
    case Unary::kScaleShift:
      return false;
  }
  __builtin_unreachable();
}

}  // namespace lamina::ops
