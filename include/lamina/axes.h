#pragma once
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace lamina::layers {

/// One axis or several. Negative ones count from the end.
struct Axes {
  std::vector<std::int64_t> values;
  Axes() = default;
  Axes(std::int64_t axis) : values{axis} {}                          // NOLINT: implicit on purpose
  Axes(std::initializer_list<std::int64_t> axes) : values(axes) {}   // NOLINT
  Axes(std::vector<std::int64_t> axes) : values(std::move(axes)) {}  // NOLINT
};

}  // namespace lamina::layers
