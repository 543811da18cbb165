#include "checkpoint/save/layout_cache.h"

#include <gtest/gtest.h>

#include <random>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using Groups = std::vector<h5::LayoutGroup>;

Groups example() {
  return {
      {"/layers/a/vars", "a", true, {{"0", Shape{2, 3}, DType::kFloat32}}},
      {"/layers/b/vars", "b", true, {{"0", Shape{6}, DType::kFloat16}, {"1", {}, DType::kInt8}}}};
}

bool same(const h5::Layout& a, const h5::Layout& b) {
  return a.file_size == b.file_size && a.offsets == b.offsets && a.metadata == b.metadata;
}

TEST(LayoutCache, GivesTheLayoutThatIsMadeWithoutIt) {
  LayoutCache cache(std::size_t{1} << 20);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(same(*cache.get(example()), h5::make_layout(example())));
  EXPECT_EQ(cache.misses(), 1U);
}

TEST(LayoutCache, TakesAnyDifferenceForAnotherStructure) {
  std::vector<Groups> all(9, example());
  all[1][0].path = "/layers/c/vars";
  all[2][0].name = "other";
  all[3][1].has_name = false;
  all[4][0].datasets[0].shape = Shape{3, 2};
  all[5][0].datasets[0].dtype = DType::kInt32;
  all[6][1].datasets[1].key = "2";
  all[7][1].datasets.pop_back();
  // What one group loses the other gains: the same words in a row.
  all[8][0].datasets.push_back({"1", {}, DType::kInt8}), all[8][1].datasets.pop_back();
  LayoutCache cache(std::size_t{1} << 20);
  for (const Groups& groups : all) {
    EXPECT_TRUE(same(*cache.get(groups), h5::make_layout(groups)));
  }
  EXPECT_EQ(cache.misses(), all.size());
  for (const Groups& groups : all) (void)cache.get(groups);
  EXPECT_EQ(cache.misses(), all.size());
}

TEST(LayoutCache, IsBoundedAndForgetsWhatWasUsedLongestAgo) {
  LayoutCache probe(std::size_t{1} << 20);
  (void)probe.get(example());
  const std::size_t one = probe.bytes();
  LayoutCache cache(2 * one + one / 2);
  const auto numbered = [](int i) {
    Groups groups = example();
    groups[0].name = std::string(1, static_cast<char>('a' + i));
    return groups;
  };
  for (int i = 0; i < 10; ++i) {
    (void)cache.get(numbered(i));
    (void)cache.get(numbered(0));
    EXPECT_LE(cache.bytes(), 2 * one + one / 2);
  }
  EXPECT_EQ(cache.misses(), 10U);
  (void)cache.get(numbered(5));
  EXPECT_EQ(cache.misses(), 11U);
  LayoutCache tiny(one / 2);
  (void)tiny.get(example());
  EXPECT_EQ(tiny.bytes(), 0U);
}

TEST(LayoutCache, RepeatedSavesWriteTheSameFileWithNewValues) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const lamina::testing::TemporaryDirectory directory{lamina::testing::memory_directory()};
  const auto tree = lamina::testing::random_tree(random, 20);
  save(tree, directory / "m.weights.h5", {});
  const std::size_t made = layout_cache().misses();
  for (int i = 0; i < 5; ++i) {
    for (const auto& node : tree.nodes) {
      for (const auto& [key, variable] : node.variables) {
        variable->assign(
            lamina::testing::random_tensor(random, variable->shape(), variable->dtype()));
      }
    }
    save(tree, directory / "m.weights.h5", {});
    const auto copy = lamina::testing::poisoned_copy(tree);
    load(copy, directory / "m.weights.h5", {});
    EXPECT_TRUE(lamina::testing::same_values(lamina::testing::snapshot(copy),
                                             lamina::testing::snapshot(tree)));
  }
  EXPECT_EQ(layout_cache().misses(), made);
}

}  // namespace
}  // namespace lamina::checkpoint
