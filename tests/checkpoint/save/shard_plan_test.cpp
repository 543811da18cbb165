#include "checkpoint/save/shard_plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include "checkpoint/index/index.h"
#include "tests/checkpoint/trees.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::TreeBuilder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Tensor floats(std::int64_t n) {
  return Tensor::zeros(Shape{n});
}

ShardPlan plan(const TreeBuilder& builder, std::optional<ShardLimit> limit) {
  return plan_shards(builder.tree, weights::save_order(builder.tree), limit);
}

/// "path{name}:0,1 ..." for each shard: short enough to be read in an assertion.
std::vector<std::string> describe(const ShardPlan& plan, const weights::WeightTree& tree) {
  const auto entries = weights::save_order(tree);
  std::vector<std::string> out;
  for (const Shard& shard : plan.shards) {
    std::string text;
    for (const ShardGroup& group : shard.groups) {
      text += fmt::format("{}{}{}", text.empty() ? "" : " ", entries[group.entry].path,
                          group.has_name ? "{name}" : "");
      for (const std::size_t v : group.variables) text += fmt::format(":{}", v);
    }
    out.push_back(text);
  }
  return out;
}

// As Keras itself shards these layers within 130 bytes.
TEST(ShardPlan, RollsOverWithinAnEntryAsKerasDoes) {
  TreeBuilder builder;
  builder.layer("layers/dense", "dense", {Tensor::zeros({4, 8}), floats(8)});
  builder.layer("layers/dense_1", "dense_1", {Tensor::zeros({8, 2}), floats(2)});
  builder.layer("layers/dense_2", "dense_2", {Tensor::zeros({2, 16}), floats(0)});
  const ShardPlan p = plan(builder, ShardLimit{130});
  EXPECT_THAT(
      describe(p, builder.tree),
      ElementsAre("/vars{name} /layers/dense/vars{name}:0",
                  "/layers/dense/vars:1 /layers/dense_1/vars{name}:0:1 /layers/dense_2/vars{name}",
                  "/layers/dense_2/vars:0:1"));
  EXPECT_EQ(p.total_size, 128 + 32 + 64 + 8 + 128);
}

TEST(ShardPlan, WhatEqualsTheLimitFits) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {floats(8), floats(8)});
  builder.layer("layers/b", "b", {floats(1)});
  EXPECT_THAT(
      describe(plan(builder, ShardLimit{64}), builder.tree),
      ElementsAre("/vars{name} /layers/a/vars{name}:0:1 /layers/b/vars{name}", "/layers/b/vars:0"));
  EXPECT_EQ(plan(builder, ShardLimit{68}).shards.size(), 1u);
}

TEST(ShardPlan, CountsABoolAsOneBit) {
  TreeBuilder builder;
  builder.layer("layers/a", "a",
                {Tensor::zeros({3}, DType::kBool), Tensor::zeros({5}, DType::kBool)});
  const ShardPlan p = plan(builder, ShardLimit{0.99});
  EXPECT_EQ(p.shards.size(), 2u);
  EXPECT_EQ(p.total_size, 1.0);
  EXPECT_EQ(plan(builder, ShardLimit{1.0}).shards.size(), 1u);
}

TEST(ShardPlan, GroupsWithoutVariablesStayWhereTheWriterIs) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {floats(10)});
  builder.layer("layers/relu", "relu");
  builder.layer("layers/b", "b", {floats(10)});
  builder.layer("layers/relu_1", "relu_1");
  EXPECT_THAT(
      describe(plan(builder, ShardLimit{40}), builder.tree),
      ElementsAre("/vars{name} /layers/a/vars{name}:0 /layers/relu/vars{name} /layers/b/vars{name}",
                  "/layers/b/vars:0 /layers/relu_1/vars{name}"));
}

TEST(ShardPlan, KeepsEntriesTogetherWhenAsked) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {floats(8), floats(8)});
  builder.layer("layers/b", "b", {floats(4), floats(4)});
  EXPECT_THAT(describe(plan(builder, ShardLimit{80, true}), builder.tree),
              ElementsAre("/vars{name} /layers/a/vars{name}:0:1", "/layers/b/vars{name}:0:1"));
  try {
    (void)plan(builder, ShardLimit{60, true});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("The size of the variables is 64.00 B which exceeds"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("/layers/a/vars"));
  }
}

TEST(ShardPlan, OversizedTensorIsRefusedByName) {
  TreeBuilder builder;
  builder.layer("layers/dense", "dense", {floats(2), Tensor::zeros({32, 32})});
  try {
    (void)plan(builder, ShardLimit{100});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(error.what(),
                 "The size of 1 is 4.00 KB which exceeds the maximum shard size 100.00 B. You can "
                 "increase the `max_shard_size` parameter to accommodate the size. (variable "
                 "'dense/bias' at '/layers/dense/vars/1' of <Dense name=dense, built=True>)");
  }
}

TEST(ShardPlan, AZeroLimitTakesEmptyVariablesOnly) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {Tensor::zeros({0, 3})});
  EXPECT_EQ(plan(builder, ShardLimit{0}).shards.size(), 1u);
  EXPECT_THROW((void)plan(builder, ShardLimit{-1}), ValueError);
}

TEST(ShardPlan, WithoutALimitEverythingIsInOneShard) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {floats(1000), floats(1)});
  const ShardPlan p = plan(builder, {});
  EXPECT_THAT(describe(p, builder.tree), ElementsAre("/vars{name} /layers/a/vars{name}:0:1"));
}

TEST(ShardPlan, IndexListsEntriesByTheirShards) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {floats(8), floats(8)});
  builder.layer("layers/b", "b", {floats(2)});
  builder.layer("layers/c", "c", {floats(1), floats(1)});
  const auto entries = weights::save_order(builder.tree);
  const ShardPlan p = plan_shards(builder.tree, entries, ShardLimit{40});
  const Index index = make_index(
      p, builder.tree, entries, {"m_00000.weights.h5", "m_00001.weights.h5", "m_00002.weights.h5"});
  EXPECT_EQ(index_text(index), R"({
    "metadata": {
        "total_size": 80.0
    },
    "weight_map": {
        "/layers/a/vars": [
            "m_00000.weights.h5",
            "m_00001.weights.h5"
        ],
        "/layers/b/vars": "m_00001.weights.h5",
        "/layers/c/vars": [
            "m_00002.weights.h5"
        ]
    }
})");
  EXPECT_THAT(p.files[0], IsEmpty());
}

}  // namespace
}  // namespace lamina::checkpoint
