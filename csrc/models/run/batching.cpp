#include "models/run/batching.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>

namespace lamina::models {

void require_positive(std::string_view option, const std::optional<std::int64_t>& value) {
  if (!value || *value >= 1) return;
  throw ValueError(fmt::format("`{}` must be positive; received {}.", option, *value));
}

std::int64_t batch_size_of(const std::optional<std::int64_t>& asked,
                           const std::optional<std::int64_t>& steps, std::int64_t rows) {
  if (asked) return *asked;
  return steps ? rows / *steps + (rows % *steps != 0 ? 1 : 0) : 32;
}

void warn_out_of_data(std::string_view what, std::int64_t had, std::int64_t steps) {
  warn(
      fmt::format("Your input ran out of data; interrupting {}. Make sure that your dataset has as "
                  "many batches as are asked for: {} of {} steps had one.",
                  what, had, steps));
}

}  // namespace lamina::models
