#pragma once
#include <regex>
#include <string>
#include <string_view>

namespace lamina::training {

/// One of the patterns that `what` takes. Throws ValueError for a text that is no regular
/// expression.
[[nodiscard]] std::regex pattern_of(std::string_view what, const std::string& text);

}  // namespace lamina::training
