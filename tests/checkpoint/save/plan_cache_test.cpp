#include "checkpoint/save/plan_cache.h"

#include <gtest/gtest.h>

#include "checkpoint/save/layout_cache.h"
#include "checkpoint/save/save_plan.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::TreeBuilder;

/// Layers of 24 bytes each.
TreePtr make_tree(int layers) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  for (int i = 0; i < layers; ++i) {
    const std::string name = "dense_" + std::to_string(i);
    builder.layer("layers/" + name, name,
                  {lamina::testing::random_tensor(random, Shape{2, 3}, DType::kFloat32)});
  }
  return std::make_shared<const weights::WeightTree>(std::move(builder.tree));
}

SaveJob job_of(TreePtr tree, SaveRequest request = {}) {
  const bool sharded = request.max_shard_size.has_value();
  SaveTarget target =
      save_target(sharded ? "m.weights.json" : "m.weights.h5", request.max_shard_size);
  return {.tree = std::move(tree),
          .values = {},
          .target = std::move(target),
          .request = std::move(request),
          .plan = {}};
}

SaveRequest shards_of(double bytes, bool keep_entries_together = false) {
  SaveRequest request;
  request.max_shard_size = bytes / (1024.0 * 1024 * 1024);
  request.keep_entries_together = keep_entries_together;
  return request;
}

SaveRequest all_but(weights::NodeId node) {
  SaveRequest request;
  request.skip = {node};
  return request;
}

std::vector<std::string> paths_of(const SavePlan& plan) {
  std::vector<std::string> out;
  for (const weights::WeightEntry& entry : plan.entries) out.push_back(entry.path);
  return out;
}

TEST(PlanCache, GivesOnePlanToTheSavesOfOneTree) {
  PlanCache cache(4);
  const TreePtr tree = make_tree(3);
  const auto plan = cache.get(job_of(tree));
  EXPECT_EQ(paths_of(*plan), paths_of(plan_save(job_of(tree))));
  EXPECT_EQ(cache.get(job_of(tree)), plan);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(PlanCache, TakesOtherBoundsAndOtherSkippedNodesForOtherPlans) {
  PlanCache cache(8);
  const TreePtr tree = make_tree(4);
  constexpr double kTwoLayers = 48;  // bytes
  const auto plain = cache.get(job_of(tree));
  const auto sharded = cache.get(job_of(tree, shards_of(kTwoLayers)));
  const auto other = cache.get(job_of(tree, shards_of(kTwoLayers * 2)));
  const auto together = cache.get(job_of(tree, shards_of(kTwoLayers, true)));
  const auto without = cache.get(job_of(tree, all_but(2)));
  EXPECT_EQ(plain->shards.shards.size(), 1U);
  EXPECT_EQ(sharded->shards.shards.size(), 2U);
  EXPECT_EQ(other->shards.shards.size(), 1U);
  EXPECT_EQ(without->entries.size() + 1, plain->entries.size());
  EXPECT_EQ(cache.size(), 5U);
  EXPECT_EQ(cache.get(job_of(tree)), plain);
  EXPECT_EQ(cache.get(job_of(tree, shards_of(kTwoLayers))), sharded);
  EXPECT_EQ(cache.get(job_of(tree, all_but(2))), without);
}

TEST(PlanCache, TellsTreesApartAndForgetsTheDead) {
  PlanCache cache(4);
  const TreePtr tree = make_tree(2);
  const auto plan = cache.get(job_of(tree));
  for (int i = 0; i < 20; ++i) {  // one of them may well get another's address
    const TreePtr passing = make_tree(3);
    EXPECT_EQ(cache.get(job_of(passing))->entries.size(), 4U);
  }
  EXPECT_EQ(cache.get(job_of(tree)), plan);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(PlanCache, KeepsNoMoreThanItMayAndNothingOfBorrowedTrees) {
  PlanCache cache(2);
  const std::vector<TreePtr> trees{make_tree(1), make_tree(1), make_tree(1)};
  const auto first = cache.get(job_of(trees[0])), second = cache.get(job_of(trees[1]));
  EXPECT_EQ(cache.get(job_of(trees[0])), first);
  (void)cache.get(job_of(trees[2]));
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.get(job_of(trees[0])), first);
  EXPECT_NE(cache.get(job_of(trees[1])), second);
  const TreePtr borrowed(TreePtr(), trees[0].get());
  EXPECT_NE(cache.get(job_of(borrowed)), cache.get(job_of(borrowed)));
}

TEST(KnownLayouts, LastAsLongAsSomebodyKeepsThem) {
  KnownLayouts known;
  EXPECT_EQ(known.get(0), nullptr);
  auto layout = std::make_shared<const h5::Layout>();
  known.put(3, layout);
  EXPECT_EQ(known.get(3), layout);
  EXPECT_EQ(known.get(2), nullptr);
  layout.reset();
  EXPECT_EQ(known.get(3), nullptr);
}

}  // namespace
}  // namespace lamina::checkpoint
