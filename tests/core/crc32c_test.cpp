#include "core/crc32c.h"
#include "tests/fakes/bytes.h"
#include "tests/fresh_seed.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace lamina::core {
namespace {

using lamina::testing::random_bytes;
using Bytes = std::vector<std::byte>;

/// Bit by bit, from the definition.
std::uint32_t slow_crc(std::span<const std::byte> bytes) {
  std::uint32_t state = ~std::uint32_t{0};
  for (const std::byte byte : bytes) {
    state ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ (state & 1 ? 0x82f63b78 : 0);
  }
  return ~state;
}

class Crc32c : public ::testing::TestWithParam<Crc32cMethod> {
 protected:
  void SetUp() override {
    if (!has_crc32c(GetParam())) GTEST_SKIP() << "not on this processor";
    RecordProperty("seed", std::to_string(seed_));
    SCOPED_TRACE(seed_);
  }
  [[nodiscard]] static std::uint32_t crc(std::span<const std::byte> bytes,
                                         std::uint32_t before = 0) {
    return crc32c_by(GetParam(), bytes, before);
  }
  std::uint64_t seed_ = lamina::test::fresh_seed();
  std::mt19937_64 random_{seed_};
};

TEST_P(Crc32c, GivesTheValuesOfRfc3720) {
  Bytes ascending(32), descending(32);
  for (int i = 0; i < 32; ++i) {
    ascending[static_cast<std::size_t>(i)] = static_cast<std::byte>(i);
    descending[static_cast<std::size_t>(i)] = static_cast<std::byte>(31 - i);
  }
  EXPECT_EQ(crc(Bytes(32, std::byte{0})), 0x8a9136aau);
  EXPECT_EQ(crc(Bytes(32, std::byte{0xff})), 0x62a8ab43u);
  EXPECT_EQ(crc(ascending), 0x46dd794eu);
  EXPECT_EQ(crc(descending), 0x113fdb5cu);
  constexpr std::string_view kDigits = "123456789";
  EXPECT_EQ(crc(std::as_bytes(std::span(kDigits))), 0xe3069283u);
  EXPECT_EQ(crc({}), 0u);
}

TEST_P(Crc32c, GivesTheRemainderForEveryLengthAndPlaceInMemory) {
  const Bytes bytes = random_bytes(random_, 1200);
  for (std::size_t size = 0; size <= 1100; ++size) {
    const auto part = std::span(bytes).subspan(random_() % 64, size);
    ASSERT_EQ(crc(part), slow_crc(part)) << size << " bytes, seed " << seed_;
  }
}

TEST_P(Crc32c, OfTwoPartsIsThatOfTheWhole) {
  for (int round = 0; round < 300; ++round) {
    const Bytes bytes = random_bytes(random_, random_() % 30'000);
    const std::size_t cut = bytes.empty() ? 0 : random_() % bytes.size();
    const auto a = std::span(bytes).first(cut), b = std::span(bytes).subspan(cut);
    const std::uint32_t whole = slow_crc(bytes);
    ASSERT_EQ(crc(b, crc(a)), whole) << "seed " << seed_;
    ASSERT_EQ(crc32c_combine(crc(a), crc(b), b.size()), whole) << "seed " << seed_;
  }
}

TEST_P(Crc32c, SeesEverySingleBit) {
  Bytes bytes = random_bytes(random_, 9000);
  const std::uint32_t before = crc(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    ASSERT_NE(crc(bytes), before) << bit << ", seed " << seed_;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
  EXPECT_EQ(crc(bytes), before);
}

INSTANTIATE_TEST_SUITE_P(Methods, Crc32c,
                         ::testing::Values(Crc32cMethod::kTable, Crc32cMethod::kInstructions,
                                           Crc32cMethod::kPaired, Crc32cMethod::kWide));

TEST(Crc32cOfTheProcessor, IsThatOfTheTable) {
  std::mt19937_64 random(lamina::test::fresh_seed());
  const Bytes bytes = random_bytes(random, 100'000);
  EXPECT_EQ(crc32c(bytes), crc32c_by(Crc32cMethod::kTable, bytes));
}

TEST(Crc32cCombine, TakesPartsInAnyOrderWhenEachIsMovedToItsPlace) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  std::mt19937_64 random(seed);
  const Bytes bytes = random_bytes(random, 20'000);
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = std::min<std::size_t>(random() % 3000, bytes.size() - at);
    const auto part = std::span(bytes).subspan(at, size);
    at += size;
    sum ^= crc32c_combine(crc32c(part), 0, bytes.size() - at);
  }
  EXPECT_EQ(sum, slow_crc(bytes)) << "seed " << seed;
}

TEST(Crc32cCombine, KnowsLengthsThatNoMemoryHolds) {
  // Zeros that double: what combining says of them must agree with itself.
  const Bytes page(4096, std::byte{0});
  std::uint32_t crc = crc32c(page), stepwise = crc;
  std::uint64_t size = page.size();
  for (int doubling = 0; doubling < 40; ++doubling, size *= 2) {
    crc = crc32c_combine(crc, crc, size);
  }
  for (int doubling = 0; doubling < 40; ++doubling) {
    const std::uint64_t half = std::uint64_t{4096} << doubling;
    const std::uint32_t quarter = crc32c_combine(stepwise, 0, half / 2);
    stepwise = crc32c_combine(quarter, 0, half - half / 2) ^ stepwise;
  }
  EXPECT_EQ(crc, stepwise);
}

}  // namespace
}  // namespace lamina::core
