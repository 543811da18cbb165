#include "checkpoint/transfer/tensor_checksum.h"
#include "tests/fresh_seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace lamina::checkpoint {
namespace {

TEST(TensorChecksum, IsTheSameHoweverTheTensorIsCut) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::byte> bytes(1 + random() % 40'000);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    std::vector<std::size_t> cuts{0, bytes.size()};
    while (random() % 8 != 0) cuts.push_back(random() % bytes.size());
    std::sort(cuts.begin(), cuts.end());
    std::vector<std::size_t> order(cuts.size() - 1);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    TensorChecksum found(bytes.size());
    const auto add = [&](std::size_t begin, std::size_t end) {
      for (std::size_t k = begin; k < end; ++k) {
        const std::size_t i = order[k];
        const auto part = std::span(bytes).subspan(cuts[i], cuts[i + 1] - cuts[i]);
        if (i % 2 == 0) {
          found.add(cuts[i], part);
        } else {  // a part of which the checksum was taken in two steps
          const auto first = part.first(part.size() / 3);
          const std::uint32_t sum = core::crc32c(part.subspan(first.size()), core::crc32c(first));
          found.add(cuts[i], part.size(), sum);
        }
      }
    };
    {
      const std::jthread other(add, 0, order.size() / 2);
      add(order.size() / 2, order.size());
    }
    ASSERT_EQ(found.value(), core::crc32c(bytes)) << round;
  }
}

TEST(TensorChecksum, OfNothingIsThatOfNoBytes) {
  EXPECT_EQ(TensorChecksum(0).value(), core::crc32c({}));
}

}  // namespace
}  // namespace lamina::checkpoint
