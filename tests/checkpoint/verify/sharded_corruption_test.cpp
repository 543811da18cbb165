// Shards that were cut short, and shards in each other's places.
#include <gmock/gmock.h>

#include <set>

#include "tests/checkpoint/sealed_files.h"
#include "tests/checkpoint/verify/damage_samples.h"
#include "tests/checkpoint/verify/refusals.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::damage_places;
using lamina::testing::poisoned_copy;
using lamina::testing::problems_of;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::SealedFiles;
using lamina::testing::snapshot;
using lamina::testing::TensorMap;
using lamina::testing::TreeBuilder;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class ShardedCorruption : public ::testing::Test {
 protected:
  weights::WeightTree tree_of(const std::vector<std::int64_t>& elements) {
    TreeBuilder builder;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder.layer("layers/" + name, name,
                    {random_tensor(random_, {elements[i]}, DType::kFloat32)});
    }
    return std::move(builder.tree);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
};

/// Lengths to which to cut a file, the longest first: all of them, or, where the file is large,
/// those around the borders of its pages and some others.
std::set<std::size_t, std::greater<>> cuts(std::size_t size, std::mt19937& random) {
  constexpr std::size_t kPage = 4096;
  std::set<std::size_t, std::greater<>> out;
  if (size < 16 * kPage) {
    for (std::size_t at = 0; at < size; ++at) out.insert(at);
    return out;
  }
  for (std::size_t at = 0; at <= size; at += kPage) out.insert({at, at + 1, at + kPage - 1});
  for (int i = 0; i < 500; ++i) out.insert(random() % size);
  for (std::size_t back = 1; back <= 64; ++back) out.insert(size - back);
  out.erase(out.begin(), out.upper_bound(size));
  return out;
}

/// Those of them that are tried, which LAMINA_DAMAGE_SAMPLES makes fewer.
std::vector<std::size_t> tried(const std::set<std::size_t, std::greater<>>& all,
                               std::mt19937& random) {
  const std::vector<std::size_t> in_order(all.begin(), all.end());
  std::vector<std::size_t> out;
  for (const std::size_t i : damage_places(all.size(), random)) out.push_back(in_order[i]);
  return out;
}

// The first shard has a large tensor, at the border of a page, among small ones; the second only a
// small one.
TEST_F(ShardedCorruption, EveryCutOfAShardIsFoundAndNamed) {
  constexpr std::int64_t kLarge = 5 << 16;
  const weights::WeightTree tree = tree_of({100, kLarge, 100, 300});
  const SealedFiles files(tree, true, 4 * kLarge + 1000);
  const auto shards = files.shards();
  ASSERT_THAT(shards, SizeIs(2));
  ASSERT_GT(fs::file_size(shards[0]), 4u * kLarge);
  ASSERT_EQ(TensorMap(shards[0]).size(), 3u);
  const auto model = poisoned_copy(tree);
  const std::vector<Tensor> before = snapshot(model);
  for (const fs::path& shard : shards) {
    const std::string sound = lamina::testing::text_of(shard);
    const TensorMap tensors(shard);
    const auto all = cuts(sound.size(), random_);
    ASSERT_GT(all.size(), 1000u);
    const std::vector<std::size_t> sizes = tried(all, random_);
    std::size_t count = 0, named = 0;
    for (const std::size_t size : sizes) {
      SCOPED_TRACE(fmt::format("{} bytes of {} of {}", size, sound.size(), shard.string()));
      fs::resize_file(shard, size);
      try {
        load(model, files.index(), {});
        ADD_FAILURE() << "loaded";
      } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), HasSubstr(shard.filename().string()));
        const std::set<std::string> lost = tensors.beyond(size);
        if (size >= tensors.begin() && !lost.empty()) {
          EXPECT_THAT(error.what(), HasSubstr("'" + *lost.begin() + "'"));
          ++named;
        }
      }
      if (count++ % 8 == 0) {
        EXPECT_THAT(problems_of(files.index()), Contains(HasSubstr(shard.filename().string())));
      }
      ASSERT_FALSE(HasFailure());
    }
    EXPECT_GT(named, sizes.size() == all.size() ? 500u : 0u);
    lamina::testing::write_text(shard, sound);
  }
  EXPECT_TRUE(same_values(snapshot(model), before));
  load(model, files.index(), {});
  EXPECT_TRUE(same_values(snapshot(model), snapshot(tree)));
}

TEST_F(ShardedCorruption, EveryPairOfShardsInEachOthersPlacesIsFoundAndNamed) {
  const weights::WeightTree tree = tree_of({1000, 1000, 1000, 1000});
  const SealedFiles files(tree, true, 4100);
  const auto shards = files.shards();
  ASSERT_THAT(shards, SizeIs(4));
  const auto swap = [&](const fs::path& a, const fs::path& b) {
    fs::rename(a, files / "aside");
    fs::rename(b, a);
    fs::rename(files / "aside", b);
  };
  for (std::size_t a = 0; a < shards.size(); ++a) {
    for (std::size_t b = a + 1; b < shards.size(); ++b) {
      SCOPED_TRACE(fmt::format("shards {} and {}", a, b));
      swap(shards[a], shards[b]);
      try {
        load(poisoned_copy(tree), files.index(), {});
        ADD_FAILURE() << "loaded";
      } catch (const CorruptionError& error) {  // of the one that was looked at first
        EXPECT_THAT(error.what(), AnyOf(HasSubstr(shards[a].filename().string()),
                                        HasSubstr(shards[b].filename().string())));
        EXPECT_THAT(error.what(), HasSubstr("which has another name"));
      }
      const std::vector<std::string> problems = problems_of(files.index());
      for (const std::size_t moved : {a, b}) {
        EXPECT_THAT(problems, Contains(AllOf(HasSubstr(shards[moved].filename().string()),
                                             HasSubstr("which has another name"))));
      }
      EXPECT_THAT(problems, SizeIs(2));
      swap(shards[a], shards[b]);
    }
  }
  EXPECT_THAT(problems_of(files.index()), IsEmpty());
}

}  // namespace
}  // namespace lamina::checkpoint
