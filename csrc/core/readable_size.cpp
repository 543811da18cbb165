#include "core/readable_size.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace lamina::core {

std::string readable_size(double bytes) {
  constexpr std::array<std::string_view, 6> units = {"B", "KB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; unit + 1 < units.size() && bytes >= 1024; ++unit) bytes /= 1024;
  return fmt::format("{:.2f} {}", bytes, units[unit]);
}

}  // namespace lamina::core
