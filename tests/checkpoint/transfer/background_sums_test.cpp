#include "checkpoint/transfer/background_sums.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <deque>
#include <list>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "tests/fakes/bytes.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

std::vector<std::byte> random_bytes(std::mt19937_64& random) {
  return lamina::testing::random_bytes(random, 1 + random() % 100'000);
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

/// Memory that can be closed: whoever looks at it then dies.
class Pages {
 public:
  explicit Pages(std::size_t size)
      : bytes_(static_cast<std::byte*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
               size) {
    if (bytes_.data() == MAP_FAILED) throw std::bad_alloc();
  }
  ~Pages() { ::munmap(bytes_.data(), bytes_.size()); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  void close() const { ASSERT_EQ(::mprotect(bytes_.data(), bytes_.size(), PROT_NONE), 0); }

 private:
  std::span<std::byte> bytes_;
};

// As when a write failed: the memory may go as soon as the object has.
TEST(BackgroundSums, LeaveTheBytesAloneWhenTheyAreGivenUp) {
  std::mt19937_64 random(test::fresh_seed());
  std::list<Pages> all;
  for (int round = 0; round < 200; ++round) {
    const Pages& pages = all.emplace_back(1 + random() % 100'000);
    TensorChecksum sum(pages.bytes().size());
    std::optional<BackgroundSums> sums(std::in_place);
    sums->add(sum, 0, pages.bytes());
    sums.reset();
    pages.close();
  }
}

}  // namespace
}  // namespace lamina::checkpoint
