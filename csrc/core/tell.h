#pragma once
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace lamina::core {

/// Writes what is formatted for whoever watches. That nobody can read it, on a full disk or where
/// the stream was closed, ends nothing: unlike fmt::print it throws nothing of that.
template <class... Arguments>
void tell(std::FILE* stream, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  (void)std::fwrite(text.data(), 1, text.size(), stream);
}

}  // namespace lamina::core
