#pragma once
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace lamina::test {

/// One of low, low + 1, ..., high.
template <class Generator>
[[nodiscard]] std::int64_t pick(Generator& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

template <class T, class Generator>
[[nodiscard]] T one_of(Generator& random, const std::vector<T>& values) {
  return values[static_cast<std::size_t>(
      pick(random, 0, static_cast<std::int64_t>(values.size()) - 1))];
}

}  // namespace lamina::test
