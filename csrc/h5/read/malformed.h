#pragma once
#include <fmt/core.h>
#include <lamina/error.h>

#include <utility>

namespace lamina::h5 {

/// What a parser has to say against the bytes before it; Reader adds the file and the object's
/// path.
class Malformed : public FormatError {
 public:
  using FormatError::FormatError;
};

template <class... Args>
[[noreturn]] void malformed(fmt::format_string<Args...> format, Args&&... args) {
  throw Malformed(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace lamina::h5
