// Sizes of shards that bound nothing, or let nothing through.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <limits>

#include "checkpoint/checkpoint.h"
#include "checkpoint/save/plan_cache.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

weights::WeightTree two_layers() {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  for (const char* name : {"a", "b"}) {
    builder.layer(std::string("layers/").append(name), name,
                  {random_tensor(random, {3, 5}, DType::kFloat32)});
  }
  return std::move(builder.tree);
}

SaveRequest shards_of(double gigabytes, bool keep_entries_together = false) {
  SaveRequest request;
  request.max_shard_size = gigabytes;
  request.keep_entries_together = keep_entries_together;
  return request;
}

// As Keras, of which nothing is larger than any of these.
TEST(ShardLimit, BoundsNothingWhenItIsInfiniteOrNoNumber) {
  const weights::WeightTree tree = two_layers();
  for (const double limit : {kInfinity, 1e300, kNaN, -kNaN}) {
    for (const bool together : {false, true}) {
      SCOPED_TRACE(limit);
      const TemporaryDirectory directory;
      save(tree, directory / "m.weights.json", shards_of(limit, together));
      EXPECT_THAT(storage::posix().list(directory.path()),
                  ElementsAre("m.weights.json", "m_00000.weights.h5"));
      const weights::WeightTree copy = poisoned_copy(tree);
      load(copy, directory / "m.weights.json", {});
      EXPECT_TRUE(same_values(snapshot(copy), snapshot(tree)));
    }
  }
}

TEST(ShardLimit, LetsNoVariableThroughWhenItIsNotAboveZero) {
  const weights::WeightTree tree = two_layers();
  for (const double limit : {0.0, -0.0, -1.0, -1e300, -kInfinity, 1e-300}) {
    for (const bool together : {false, true}) {
      SCOPED_TRACE(limit);
      const TemporaryDirectory directory;
      try {
        save(tree, directory / "m.weights.json", shards_of(limit, together));
        ADD_FAILURE() << "was saved";
      } catch (const ValueError& error) {
        EXPECT_THAT(error.what(),
                    AllOf(HasSubstr("is 60.00 B which exceeds the maximum shard size"),
                          HasSubstr("increase the `max_shard_size` parameter")));
      }
      EXPECT_THAT(storage::posix().list(directory.path()), IsEmpty());
    }
  }
}

TEST(ShardLimit, ThatIsNoNumberHasAPlanThatIsKept) {
  PlanCache cache(4);
  const auto tree = std::make_shared<const weights::WeightTree>(two_layers());
  SaveJob job{.tree = tree,
              .values = {},
              .target = {"m.weights.json", true},
              .request = shards_of(kNaN),
              .plan = {}};
  const auto plan = cache.get(job);
  EXPECT_EQ(plan->shards.shards.size(), 1U);
  EXPECT_EQ(cache.get(job), plan);
  EXPECT_EQ(cache.size(), 1U);
}

}  // namespace
}  // namespace lamina::checkpoint
