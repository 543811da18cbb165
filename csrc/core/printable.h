#pragma once
#include <string>
#include <string_view>

namespace lamina::core {

/// Text from files for a terminal: control characters as "\x1b".
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace lamina::core
