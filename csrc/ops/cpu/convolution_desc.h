#pragma once
#include "ops/cpu/onednn.h"

namespace lamina::ops::cpu {

/// oneDNN counts the zeros between taps, Keras the distance.
[[nodiscard]] Dims dilation_of(const Pair& dilation);
[[nodiscard]] Dims dims(const Pair& pair);

/// Keras's kernel (KH, KW, C/groups, F) as oneDNN's logical (groups,) F/groups, C/groups, KH, KW.
[[nodiscard]] dnnl::memory::desc kernel_desc(const Conv2D& op);

/// True when some output lies wholly in padding, or between dilated taps: no tap reaches the image.
[[nodiscard]] bool misses_the_image(const Conv2D& op);

}  // namespace lamina::ops::cpu
