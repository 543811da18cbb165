#include "training/losses/rows.h"

#include <fmt/format.h>
#include <lamina/error.h>

namespace lamina::losses {

void require_smoothing(const char* loss, double smoothing) {
  if (smoothing >= 0 && smoothing <= 1) return;
  throw ValueError(
      fmt::format("Loss {}: `label_smoothing` must be in [0, 1]. Received: {}", loss, smoothing));
}

}  // namespace lamina::losses
