#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace lamina::models {

/// Throws ValueError for an option that is less than 1.
void require_positive(std::string_view option, const std::optional<std::int64_t>& value);

/// The samples of a batch of arrays as Keras settles it: `asked`, else what makes `steps` batches
/// of all `rows`, else 32.
[[nodiscard]] std::int64_t batch_size_of(const std::optional<std::int64_t>& asked,
                                         const std::optional<std::int64_t>& steps,
                                         std::int64_t rows);

/// Keras's warning where `steps` batches were asked for and the data had fewer. `what` was
/// interrupted: "training".
void warn_out_of_data(std::string_view what, std::int64_t had, std::int64_t steps);

}  // namespace lamina::models
