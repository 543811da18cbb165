#pragma once
#include "ops/spec.h"

namespace lamina::ops {

/// What every backend takes. Throws UnsupportedError when the arithmetic of `spec` is not defined
/// for its dtypes.
void require_supported(const OpSpec& spec);

}  // namespace lamina::ops
