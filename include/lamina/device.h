#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace lamina {

/// Where a tensor's bytes live. A value: copy it freely.
struct Device {
  enum class Kind : std::uint8_t { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {Kind::kCuda, index}; }
  /// "cpu", "cuda" or "cuda:1". Throws ValueError for anything else.
  static Device from_name(std::string_view name);
  /// "cpu" or "cuda:0".
  [[nodiscard]] std::string str() const;

  friend auto operator<=>(const Device&, const Device&) = default;
};

}  // namespace lamina
