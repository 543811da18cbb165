#pragma once
#include <string_view>

namespace lamina::models {

/// True for the names that every Keras layer has already: its walk passes over an attribute of such
/// a name, so what it holds would be missing from the file (keras#20260).
[[nodiscard]] bool is_reserved_attribute(std::string_view name, bool is_model);

}  // namespace lamina::models
