#include "training/fields.h"

#include <fmt/format.h>
#include <lamina/error.h>

namespace lamina::training {

void Fields::fail(const char* key, const std::string& value, const std::string& expected) const {
  throw ValueError(
      fmt::format("The {} {}: the option {}={} should be {}", what_, name_, key, value, expected));
}

void Fields::fail_missing(const char* key) const {
  throw ValueError(fmt::format("The {} {} needs the option {}.", what_, name_, key));
}

}  // namespace lamina::training
