#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/printable.h"

namespace lamina::cli {

using core::printable;

/// A message on one line: each break, with the blanks around it, becomes a "; ".
[[nodiscard]] std::string one_line(std::string_view message);

/// Columns that UTF-8 text takes: its code points.
[[nodiscard]] std::size_t columns(std::string_view text) noexcept;

/// Rows with their cells aligned and two blanks apart, one line each. `right[i]`: column i is
/// flushed right.
[[nodiscard]] std::string format_table(const std::vector<std::vector<std::string>>& rows,
                                       const std::vector<bool>& right);

}  // namespace lamina::cli
