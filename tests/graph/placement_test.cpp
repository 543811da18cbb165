#include "graph/placement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/graph/program_testing.h"

using namespace lamina::graph;

namespace {

std::size_t most_alive(const std::vector<Lifetime>& lives) {
  std::size_t most = 0;
  for (const Lifetime& moment : lives) {
    std::size_t alive = 0;
    for (const Lifetime& life : lives) {
      if (life.first <= moment.first && moment.first <= life.last)
        alive += (life.bytes + 63) / 64 * 64;
    }
    most = std::max(most, alive);
  }
  return most;
}

void expect_disjoint(const std::vector<Lifetime>& lives, const Placement& placement) {
  for (std::size_t a = 0; a < lives.size(); ++a) {
    EXPECT_EQ(placement.offsets[a] % 64, 0u);
    EXPECT_LE(placement.offsets[a] + lives[a].bytes, placement.bytes);
    for (std::size_t b = 0; b < a; ++b) {
      const bool together = lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
      const bool overlap = placement.offsets[a] < placement.offsets[b] + lives[b].bytes &&
                           placement.offsets[b] < placement.offsets[a] + lives[a].bytes;
      EXPECT_FALSE(together && overlap) << a << " and " << b;
    }
  }
}

}  // namespace

TEST(Placement, NoTwoLivingBlocksOverlap) {
  std::mt19937_64 rng(testkit::fresh_seed());
  for (int round = 0; round < 300; ++round) {
    std::vector<Lifetime> lives(1 + rng() % 40);
    for (Lifetime& life : lives) {
      const std::size_t first = rng() % 30;
      life = {first, first + rng() % 8, rng() % 5 == 0 ? 0 : rng() % 1000};
    }
    expect_disjoint(lives, place(lives));
  }
}

TEST(Placement, ShrinkingResidualBlocksTakeNoMoreThanWhatIsAliveAtOnce) {
  // Inverted residual blocks: the input stays until it is added, beside two values four times as
  // large.
  std::vector<Lifetime> lives;
  for (std::size_t step = 0; step < 60; step += 3) {
    const std::size_t bytes = 64 * (60 - step);
    lives.push_back({step, step + 3, bytes});
    lives.push_back({step + 1, step + 2, 4 * bytes});
    lives.push_back({step + 2, step + 3, 4 * bytes});
  }
  EXPECT_EQ(place(lives).bytes, most_alive(lives));
}

TEST(Placement, StaysNearTheLowerBoundOnRandomLives) {
  std::mt19937_64 rng(testkit::fresh_seed());
  double sum = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<Lifetime> lives(100);
    for (std::size_t i = 0; i < lives.size(); ++i) {
      lives[i] = {i, i + 1 + rng() % 4, 64 * (1 + rng() % 64)};
    }
    sum += static_cast<double>(place(lives).bytes) / static_cast<double>(most_alive(lives));
  }
  EXPECT_LT(sum / 100, 1.15);
}

TEST(Placement, OfNothingIsEmpty) {
  EXPECT_EQ(place({}).bytes, 0u);
  EXPECT_EQ(place({{0, 3, 0}}).bytes, 0u);
}
