#pragma once
#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

#include "storage/storage.h"
#include "tests/fakes/bytes.h"
#include "tests/fresh_seed.h"

namespace lamina::storage::testkit {

/// Their seed is left with the results.
inline std::vector<std::byte> random_bytes(std::size_t n) {
  const unsigned seed = lamina::test::fresh_seed();
  ::testing::Test::RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 random(seed);
  return lamina::testing::random_bytes(random, n);
}

inline std::vector<std::byte> read_all(const Path& path) {
  const auto file = posix().open(path);
  std::vector<std::byte> bytes(file->size(), std::byte{0xa5});
  file->read_at(0, bytes);
  return bytes;
}

}  // namespace lamina::storage::testkit
