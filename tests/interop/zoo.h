#pragma once
#include <lamina/model.h>

#include <string>
#include <string_view>

namespace lamina::interop::zoo {

/// The twin of the class of that name in zoo.py, under a dtype policy, built for its input.
/// Throws ValueError for a name that is none.
[[nodiscard]] ModelPtr make(std::string_view name, const std::string& dtype);

}  // namespace lamina::interop::zoo
