#include "checkpoint/background_sums.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

std::vector<std::byte> random_bytes(std::mt19937_64& random) {
  std::vector<std::byte> bytes(1 + random() % 100'000);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

TEST(BackgroundSums, AreThoseOfAllThatWasAddedByAnyThread) {
  const std::uint64_t seed = test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<std::byte>> tensors(random() % 20);
    std::deque<TensorChecksum> found;
    for (auto& bytes : tensors) {
      bytes = random_bytes(random);
      found.emplace_back(bytes.size());
    }
    const std::size_t part = 1 + random() % 30'000;
    {
      BackgroundSums sums;
      const auto add_every_other = [&](std::size_t first) {
        for (std::size_t i = 0; i < tensors.size(); ++i) {
          const std::span<const std::byte> bytes(tensors[i]);
          for (std::size_t at = first * part; at < bytes.size(); at += 2 * part) {
            sums.add(found[i], at, bytes.subspan(at, std::min(part, bytes.size() - at)));
          }
        }
      };
      std::thread other([&] { add_every_other(1); });
      add_every_other(0);
      other.join();
      sums.finish();
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      ASSERT_EQ(found[i].value(), core::crc32c(std::span<const std::byte>(tensors[i]))) << i;
    }
  }
}

// One file may be sealed and synced while another one's tensors are still summed.
TEST(BackgroundSums, OfAGroupCanBeWaitedForByThemselves) {
  std::mt19937_64 random(test::fresh_seed());
  for (int round = 0; round < 50; ++round) {
    std::vector<std::vector<std::byte>> tensors;
    std::deque<TensorChecksum> found;
    for (int i = 0; i < 20; ++i) {
      tensors.push_back(random_bytes(random));
      found.emplace_back(tensors.back().size());
    }
    BackgroundSums sums;
    const int groups = 4;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      sums.add(found[i], 0, tensors[i], &tensors[i % groups]);
    std::vector<std::thread> waiting;
    std::vector<int> right(groups);
    for (int group = 0; group < groups; ++group) {
      waiting.emplace_back([&, group] {
        const auto first = static_cast<std::size_t>(group);
        sums.finish(&tensors[first]);
        for (std::size_t i = first; i < tensors.size(); i += groups)
          right[first] += found[i].value() == core::crc32c(std::span<const std::byte>(tensors[i]));
      });
    }
    for (std::thread& thread : waiting) thread.join();
    for (const int count : right) EXPECT_EQ(count, 20 / groups);
    sums.finish(&sums);  // nothing of that group
  }
}

// As when a write failed: the memory may go as soon as the object has. Whether it is left alone
// then, the sanitizers judge.
TEST(BackgroundSums, LeaveTheBytesAloneWhenTheyAreGivenUp) {
  std::mt19937_64 random(test::fresh_seed());
  for (int round = 0; round < 200; ++round) {
    const auto bytes = std::make_unique<std::vector<std::byte>>(random_bytes(random));
    TensorChecksum sum(bytes->size());
    BackgroundSums sums;
    sums.add(sum, 0, *bytes);
  }
}

}  // namespace
}  // namespace lamina::checkpoint
