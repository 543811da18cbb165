#include "core/denormals.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <limits>
#include <stdexcept>
#include <vector>

#include "core/parallel_ranges.h"
#include "tests/flushing.h"

namespace lamina::core {
namespace {

using ::lamina::testing::flushes;
using ::lamina::testing::on_a_new_thread;
using ::lamina::testing::pool_flushes;
using ::lamina::testing::set_flushing;

constexpr int kThreads = ::lamina::testing::kThreadsOfThePool;
const std::vector<bool> kNone(kThreads, false), kAll(kThreads, true);

class Denormals : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(__x86_64__)
    GTEST_SKIP() << "nothing is flushed here";
#endif
  }
};

TEST_F(Denormals, AreZerosInArithmeticWhileTheObjectLives) {
  volatile float small = std::numeric_limits<float>::min();
  volatile float denormal = std::numeric_limits<float>::denorm_min();
  ASSERT_GT(small * 0.5F, 0.0F);
  {
    const FlushDenormals flush;
    EXPECT_EQ(small * 0.5F, 0.0F) << "results";
    EXPECT_EQ(denormal * 1e30F, 0.0F) << "operands";
  }
  EXPECT_GT(small * 0.5F, 0.0F);
  EXPECT_GT(denormal * 1e30F, 0.0F);
}

TEST_F(Denormals, AreFlushedByTheThreadAloneUntilItsPoolIsAsked) {
  on_a_new_thread([] {
    EXPECT_EQ(pool_flushes(), kNone);
    {
      const FlushDenormals flush;
      const ParallelRegion region;  // or opening a region would tell new threads
      EXPECT_EQ(pool_flushes(), kNone);
    }
    {
      const FlushDenormals flush;
      FlushDenormals::in_pool(kThreads);
      EXPECT_EQ(pool_flushes(), kAll);
    }
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST_F(Denormals, AreAsBeforeInAPoolThatWasMadeMeanwhile) {
  on_a_new_thread([] {
    {
      const FlushDenormals flush;
      FlushDenormals::in_pool(kThreads);
      EXPECT_EQ(pool_flushes(), kAll);
    }
    EXPECT_EQ(pool_flushes(), kNone);
  });
  on_a_new_thread([] {
    {
      const FlushDenormals flush;
      parallel_ranges(kThreads, kElementsPerPart, [](std::int64_t, std::int64_t) {});
    }
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST_F(Denormals, AreAsBeforeInThreadsThatCameAndWentMeanwhile) {
  on_a_new_thread([] {
    {
      const FlushDenormals flush;
      FlushDenormals::in_pool(2);
      EXPECT_EQ(pool_flushes(), kAll) << "one was made now";
      EXPECT_EQ(pool_flushes(2), (std::vector<bool>{true, true}));
      parallel_ranges(kThreads, kElementsPerPart, [](std::int64_t, std::int64_t) {});
      EXPECT_EQ(pool_flushes(), kAll);
      FlushDenormals::in_pool(kThreads);
      EXPECT_EQ(pool_flushes(), kAll);
    }
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST_F(Denormals, AreFlushedInOurRegionsAsByTheThreadThatOpensThem) {
  on_a_new_thread([] {
    for (const bool flushed : {true, false, true}) {
      const FlushDenormals flush(flushed);
      std::atomic<int> parts = 0, as_here = 0;
      parallel_ranges(64, kElementsPerPart, [&](std::int64_t begin, std::int64_t end) {
        parts += static_cast<int>(end - begin);
        as_here += flushes() == flushed ? static_cast<int>(end - begin) : 0;
      });
      EXPECT_EQ(parts, 64);
      EXPECT_EQ(as_here, 64);
    }
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST_F(Denormals, AreAsBeforeWhenSomethingThrows) {
  on_a_new_thread([] {
    const auto fail = [] {
      const FlushDenormals flush;
      FlushDenormals::in_pool(kThreads);
      throw std::runtime_error("in the middle");
    };
    EXPECT_THROW(fail(), std::runtime_error);
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST_F(Denormals, StayAsEachThreadOfTheUsersTreatedThem) {
  on_a_new_thread([] {
#pragma omp parallel
    set_flushing(omp_get_thread_num() != 1);
    const std::vector<bool> users = {true, false, true};
    if (pool_flushes() != users) GTEST_SKIP() << "here threads are as the one that opens a region";
    {
      const FlushDenormals flush;
      FlushDenormals::in_pool(kThreads);
      EXPECT_EQ(pool_flushes(), kAll);
    }
    EXPECT_EQ(pool_flushes(), users);
  });
}

// As many threads as processors are idle, where OpenMP is left to decide: any number, and others at
// the end than at the beginning.
TEST_F(Denormals, AreAsBeforeInThreadsThatNoOtherRegionWouldHave) {
  on_a_new_thread([] {
    ASSERT_EQ(pool_flushes(), kNone) << "the pool is made";
    for (int round = 0; round < 10; ++round) {
      omp_set_dynamic(1);
      {
        const FlushDenormals flush;
        FlushDenormals::in_pool(kThreads);
        EXPECT_EQ(omp_get_dynamic(), 1);
        omp_set_dynamic(0);
        EXPECT_EQ(pool_flushes(), kAll);
        omp_set_dynamic(1);
      }
      EXPECT_EQ(omp_get_dynamic(), 1) << "as the user has it";
      omp_set_dynamic(0);
      EXPECT_EQ(pool_flushes(), kNone);
    }
  });
}

// Those of a region have pools of their own, or none.
TEST_F(Denormals, AreAsBeforeInAndBehindRegionsOfTheUsers) {
  for (const int levels : {1, 2}) {
    on_a_new_thread([&] {
      const int before = omp_get_max_active_levels();
      omp_set_max_active_levels(levels);
      std::atomic<int> wrong = 0;
#pragma omp parallel num_threads(kThreads)
      for (int round = 0; round < 3; ++round) {
        {
          const FlushDenormals flush;
          FlushDenormals::in_pool(2);
          parallel_ranges(4, kElementsPerPart, [&](std::int64_t, std::int64_t) {
            if (!flushes()) ++wrong;
          });
          for (const bool each : pool_flushes(levels)) wrong += each ? 0 : 1;
        }
        if (flushes()) ++wrong;
        for (const bool each : pool_flushes(levels)) wrong += each ? 1 : 0;
      }
      EXPECT_EQ(wrong, 0) << levels;
      EXPECT_EQ(pool_flushes(), kNone) << levels;
      omp_set_max_active_levels(before);
    });
  }
}

TEST_F(Denormals, AreFlushedUntilTheOutermostObjectGoes) {
  on_a_new_thread([] {
    const FlushDenormals flush;
    {
      const FlushDenormals inner;
      FlushDenormals::in_pool(kThreads);
    }
    EXPECT_EQ(pool_flushes(), kAll);
  });
}

TEST_F(Denormals, OfAPoolAreTheUsersWhereNobodyFlushes) {
  on_a_new_thread([] {
    FlushDenormals::in_pool(kThreads);
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

}  // namespace
}  // namespace lamina::core
