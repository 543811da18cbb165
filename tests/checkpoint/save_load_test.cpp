#include <gmock/gmock.h>
#include <lamina/error.h>

#include <fstream>
#include <functional>
#include <utility>

#include "checkpoint/checkpoint.h"
#include "checkpoint/load/catalog.h"
#include "core/variable_access.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::kGB;
using lamina::testing::PassingStorage;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::random_tree;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::text_of;
using lamina::testing::TreeBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> files_of(const TemporaryDirectory& directory) {
  return storage::posix().list(directory.path());
}

/// Loads into a copy whose values are all wrong and compares every bit.
::testing::AssertionResult loads(const weights::WeightTree& tree,
                                 const std::filesystem::path& path) {
  const weights::WeightTree copy = poisoned_copy(tree);
  load(copy, path, {});
  if (same_values(snapshot(copy), snapshot(tree))) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "other values in " << path;
}

TEST(SaveLoad, WhatIsReadIsNotAssignedYet) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  const auto tree = random_tree(random, 9), copy = poisoned_copy(tree);
  save(tree, directory / "m.weights.h5", {});
  const Catalog file(directory / "m.weights.h5", storage::posix(), true);
  const auto before = snapshot(copy), values = snapshot(tree);
  ReadValues read_values = read(copy, file, {});
  EXPECT_TRUE(same_values(snapshot(copy), before));
  for (std::size_t i = 0; i < copy.nodes.size(); ++i) {
    for (std::size_t k = 0; k < copy.nodes[i].variables.size(); ++k) {
      const Tensor* const value = read_values.find(*copy.nodes[i].variables[k].variable);
      ASSERT_NE(value, nullptr);
      EXPECT_TRUE(bitwise_equal(*value, tree.nodes[i].variables[k].variable->value()));
    }
  }
  EXPECT_EQ(read_values.find(Variable("other", Tensor::zeros({1}))), nullptr);
  std::move(read_values).assign();
  EXPECT_TRUE(same_values(snapshot(copy), values));
}

TEST(SaveLoad, RandomTreesComeBackBitForBit) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 40; ++round) {
    const TemporaryDirectory directory;
    const auto tree = random_tree(random, random() % 30);
    CapturedWarnings warnings;
    save(tree, directory / "m.weights.h5", {});
    EXPECT_TRUE(loads(tree, directory / "m.weights.h5"));
    SaveRequest request;
    // From what only the largest variable fills to all in one.
    double largest = 1, total = 0;
    for (const auto& node : tree.nodes) {
      for (const auto& v : node.variables) {
        largest = std::max(largest, static_cast<double>(v.variable->nbytes()));
        total += static_cast<double>(v.variable->nbytes());
      }
    }
    request.max_shard_size = (largest + (random() % 1000) / 1000.0 * total) / kGB;
    save(tree, directory / "s.weights.json", request);
    EXPECT_TRUE(loads(tree, directory / "s.weights.json"));
    EXPECT_THAT(warnings.all, IsEmpty());
  }
}

TEST(SaveLoad, WhatIsOpenIsLoadedThoughOtherFilesTookItsPlace) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  TreeBuilder builder;
  builder.layer("layers/dense", "dense", {random_tensor(random, {7, 5}, DType::kFloat32)});
  builder.layer("layers/dense_1", "dense_1", {random_tensor(random, {9}, DType::kInt64)});
  const weights::WeightTree& tree = builder.tree;
  const TemporaryDirectory directory;
  const auto expect_loaded = [&](const char* name, const SaveRequest& request) {
    const auto path = directory / name;
    save(tree, path, request);
    const Catalog open(path, storage::posix(), true);
    save(poisoned_copy(tree), path, request);
    const weights::WeightTree copy = poisoned_copy(tree);
    load(copy, open, {});
    EXPECT_TRUE(same_values(snapshot(copy), snapshot(tree))) << name;
    EXPECT_FALSE(loads(tree, path)) << name;
  };
  SaveRequest request;
  expect_loaded("m.weights.h5", request);
  request.max_shard_size = 200 / kGB;  // each of the two in its own
  expect_loaded("s.weights.json", request);
}

TEST(SaveLoad, LargeTensorsComeBackBitForBit) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  // 20 MB: divided among threads, the first part past the page cache, the tail through it.
  builder.layer("layers/a", "a",
                {random_tensor(random, {5, 1'000'003}, DType::kFloat32),
                 random_tensor(random, {7}, DType::kFloat64)});
  const TemporaryDirectory directory;
  // The second not at a page of the file, so by way of a buffer. Of one tree in turns: what is kept
  // from save to save tells them apart.
  for (const bool align : {true, false, true}) {
    SaveRequest request;
    request.align = align;
    const std::filesystem::path path =
        directory / (align ? "aligned.weights.h5" : "packed.weights.h5");
    save(builder.tree, path, request);
    EXPECT_TRUE(loads(builder.tree, path)) << align;
  }
  EXPECT_GT(std::filesystem::file_size(directory / "aligned.weights.h5"),
            std::filesystem::file_size(directory / "packed.weights.h5"));
}

TEST(SaveLoad, ConvertsToTheVariablesDtype) {
  const TemporaryDirectory directory;
  for (const DType from : {DType::kFloat64, DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    for (const DType to : {DType::kFloat64, DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
      const Tensor values = Tensor::from<float>({0, 1.5, -2.25, 300}, Shape{4}).cast(from);
      TreeBuilder source, target;
      source.layer("layers/a", "a", {values});
      target.layer("layers/a", "a", {Tensor::zeros(Shape{4}, to)});
      save(source.tree, directory / "m.weights.h5", {});
      load(target.tree, directory / "m.weights.h5", {});
      EXPECT_TRUE(
          bitwise_equal(target.tree.nodes[1].variables[0].variable->value(), values.cast(to)));
    }
  }
}

TEST(SaveLoad, SharedObjectsAreStoredOnceAndFoundThere) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  const auto shared = builder.layer("a_dense", "d", {random_tensor(random, {3}, DType::kFloat32)});
  builder.alias(0, "layers/dense", shared);
  const TemporaryDirectory directory;
  save(builder.tree, directory / "m.weights.h5", {});
  EXPECT_TRUE(loads(builder.tree, directory / "m.weights.h5"));
}

// Names of files are bytes. In the index those that are no UTF-8 are as Python writes them.
TEST(SaveLoad, ShardsWhoseNamesAreNoUtf8AreFound) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random, {7, 5}, DType::kFloat32)});
  builder.layer("layers/b", "b", {random_tensor(random, {9}, DType::kInt64)});
  const TemporaryDirectory directory;
  SaveRequest request;
  request.max_shard_size = 200 / kGB;
  for (const std::string name :
       {"\xff", "\x80\xfe.\xc3\xa9", "\xf0\x9f\x98\x80\xc3", "\"\x7f\xed"}) {
    SCOPED_TRACE(::testing::PrintToString(name));
    const auto path = directory / (name + ".weights.json");
    save(builder.tree, path, request);
    EXPECT_TRUE(std::filesystem::exists(directory / (name + "_00001.weights.h5")));
    EXPECT_TRUE(loads(builder.tree, path));
  }
}

TEST(Save, RefusesAnUnbuiltModelAndABadName) {
  TreeBuilder builder;
  const TemporaryDirectory directory;
  EXPECT_THROW(save(builder.tree, directory / "m.h5", {}), ValueError);
  builder.tree.nodes[0].built = false;
  try {
    save(builder.tree, directory / "m.weights.h5", {});
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_STREQ(
        error.what(),
        "You are saving a model that has not yet been built. Try building the model first by "
        "calling it on some data or by using `build()`.");
  }
  EXPECT_THAT(files_of(directory), IsEmpty());
}

TEST(Save, ChecksEverythingBeforeTheFirstByte) {
  std::mt19937 random(lamina::test::fresh_seed());
  const TemporaryDirectory directory;
  TreeBuilder oversized, released;
  oversized.layer("layers/a", "a", {Tensor::zeros({4}), Tensor::zeros({400})});
  SaveRequest request;
  request.max_shard_size = 100 / kGB;
  EXPECT_THROW(save(oversized.tree, directory / "m.weights.json", request), ValueError);
  released.layer("layers/a", "a", {Tensor::zeros({4}), Tensor::zeros({4})});
  core::VariableAccess::release(*released.tree.nodes[1].variables[1].variable);
  EXPECT_THROW(save(released.tree, directory / "m.weights.h5", {}), ValueError);
  EXPECT_THAT(files_of(directory), IsEmpty());
  EXPECT_THROW(save(oversized.tree, directory / "no" / "m.weights.h5", {}), FileNotFoundError);
}

TEST(Save, RemovesShardsThatOnlyTheReplacedIndexListed) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  for (int i = 0; i < 4; ++i) {
    builder.layer("layers/x_" + std::to_string(i), "x",
                  {random_tensor(random, {8}, DType::kFloat32)});
  }
  const TemporaryDirectory directory;
  SaveRequest request;
  request.max_shard_size = 32 / kGB;
  save(builder.tree, directory / "m.weights.json", request);
  EXPECT_THAT(files_of(directory),
              ElementsAre("m.weights.json", "m_00000.weights.h5", "m_00001.weights.h5",
                          "m_00002.weights.h5", "m_00003.weights.h5"));
  // Neither a shard that the index does not list, nor a stranger that it does, is ours to remove.
  std::ofstream(directory / "m_00009.weights.h5") << "not listed";
  std::string text = text_of(directory / "m.weights.json");
  text.replace(text.find("m_00003"), 7, "precious");
  std::ofstream(directory / "precious.weights.h5") << "listed, but no shard of this index";
  std::ofstream(directory / "m.weights.json") << text;
  request.max_shard_size = 64 / kGB;
  save(builder.tree, directory / "m.weights.json", request);
  EXPECT_THAT(files_of(directory),
              ElementsAre("m.weights.json", "m_00000.weights.h5", "m_00001.weights.h5",
                          "m_00003.weights.h5", "m_00009.weights.h5", "precious.weights.h5"));
  EXPECT_TRUE(loads(builder.tree, directory / "m.weights.json"));
}

TEST(Save, WithoutOverwriteGuardsTheFileTheIndexAndTheShards) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {Tensor::zeros({4})});
  const TemporaryDirectory directory;
  SaveRequest request;
  request.overwrite = false;
  save(builder.tree, directory / "m.weights.h5", request);
  const std::string before = text_of(directory / "m.weights.h5");
  // Under the test runner standard input is no terminal.
  EXPECT_THROW(save(builder.tree, directory / "m.weights.h5", request), ValueError);
  EXPECT_EQ(text_of(directory / "m.weights.h5"), before);

  request.max_shard_size = 1;
  std::ofstream(directory / "s_00000.weights.h5") << "a shard";
  EXPECT_THROW(save(builder.tree, directory / "s.weights.json", request), ValueError);
  EXPECT_EQ(text_of(directory / "s_00000.weights.h5"), "a shard");
  EXPECT_FALSE(std::filesystem::exists(directory / "s.weights.json"));
  CapturedWarnings warnings;
  std::ofstream(directory / "t.weights.json") << "an index";
  EXPECT_THROW(save(builder.tree, directory / "t.weights.h5", request), ValueError);
  EXPECT_EQ(text_of(directory / "t.weights.json"), "an index");
}

/// Before the first lock is taken, does something.
class LockedLate final : public PassingStorage {
 public:
  explicit LockedLate(std::function<void()> before) : before_(std::move(before)) {}
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    if (before_) std::exchange(before_, nullptr)();
    return inner().try_lock(path);
  }

 private:
  std::function<void()> before_;
};

TEST(Save, WithoutOverwriteReplacesNothingThatAnotherHasSavedSinceItBegan) {
  std::mt19937 random(lamina::test::fresh_seed());
  const auto some = [&] {
    TreeBuilder builder;
    builder.layer("layers/a", "a", {random_tensor(random, {5, 7}, DType::kFloat32)});
    return std::move(builder.tree);
  };
  const weights::WeightTree first = some(), second = some();
  for (const bool sharded : {false, true}) {
    const TemporaryDirectory directory;
    const auto path = directory / (sharded ? "m.weights.json" : "m.weights.h5");
    SaveRequest request;
    if (sharded) request.max_shard_size = 1;
    SaveRequest careful = request;
    careful.overwrite = false;
    LockedLate late([&] { save(first, path, request); });
    try {
      save(second, path, careful, late);
      ADD_FAILURE() << "was replaced";
    } catch (const ValueError& error) {
      EXPECT_THAT(error.what(), HasSubstr("already exists"));
    }
    EXPECT_TRUE(loads(first, path));
    EXPECT_EQ(files_of(directory).size(), sharded ? 2U : 1U);
    std::filesystem::remove(path);
    std::filesystem::remove(directory / "m_00000.weights.h5");
    save(second, path, careful);
    EXPECT_TRUE(loads(second, path));
  }
}

TEST(Save, ReportsProgressUpToTheWhole) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random, {9'000'000}, DType::kFloat32)});
  const TemporaryDirectory directory;
  std::vector<std::uint64_t> done;
  std::uint64_t total = 0;
  SaveRequest request;
  request.progress = [&](std::uint64_t d, std::uint64_t t) {
    done.push_back(d);
    total = t;
  };
  save(builder.tree, directory / "m.weights.h5", request);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.back(), total);
  EXPECT_GE(total, 36'000'000u);
  LoadRequest reading;
  reading.progress = request.progress;
  load(poisoned_copy(builder.tree), directory / "m.weights.h5", reading);
  EXPECT_EQ(done.back(), 36'000'000u);
  EXPECT_EQ(total, 36'000'000u);
}

TEST(Save, AProgressCallbackThatThrowsCancels) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {Tensor::zeros({100})});
  const TemporaryDirectory directory;
  SaveRequest request;
  request.progress = [](auto, auto) { throw std::runtime_error("cancelled"); };
  EXPECT_THROW(save(builder.tree, directory / "m.weights.h5", request), std::runtime_error);
  EXPECT_THAT(files_of(directory), IsEmpty());
}

TEST(Save, SkipsObjectsOnBothWays) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random, {3}, DType::kFloat32)});
  const auto skipped =
      builder.layer("layers/a_1", "a_1", {random_tensor(random, {3}, DType::kFloat32)});
  builder.layer("sub", "sub", {random_tensor(random, {3}, DType::kFloat32)}, skipped);
  builder.layer("layers/a_2", "a_2", {random_tensor(random, {3}, DType::kFloat32)});
  const TemporaryDirectory directory;
  SaveRequest saving;
  saving.skip = {skipped};
  save(builder.tree, directory / "part.weights.h5", saving);
  save(builder.tree, directory / "whole.weights.h5", {});
  for (const char* name : {"part.weights.h5", "whole.weights.h5"}) {
    const auto copy = poisoned_copy(builder.tree);
    const auto before = snapshot(copy);
    LoadRequest loading;
    loading.skip = {skipped};
    CapturedWarnings warnings;
    load(copy, directory / name, loading);
    EXPECT_THAT(warnings.all, IsEmpty());
    const auto after = snapshot(copy), saved = snapshot(builder.tree);
    EXPECT_TRUE(bitwise_equal(after[0], saved[0]));
    EXPECT_TRUE(bitwise_equal(after[1], before[1]));
    EXPECT_TRUE(bitwise_equal(after[2], before[2]));
    EXPECT_TRUE(bitwise_equal(after[3], saved[3]));
  }
  EXPECT_THROW(load(builder.tree, directory / "part.weights.h5", {}), MismatchError);
}

TEST(Save, FollowsASymbolicLinkInsteadOfReplacingIt) {
  std::mt19937 random(lamina::test::fresh_seed());
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random, {3}, DType::kFloat32)});
  const TemporaryDirectory directory, elsewhere;
  std::ofstream(elsewhere / "real.h5") << "old";
  std::filesystem::create_symlink(elsewhere / "real.h5", directory / "m.weights.h5");
  save(builder.tree, directory / "m.weights.h5", {});
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "m.weights.h5"));
  EXPECT_GT(std::filesystem::file_size(elsewhere / "real.h5"), 1000u);
  EXPECT_TRUE(loads(builder.tree, directory / "m.weights.h5"));
}

}  // namespace
}  // namespace lamina::checkpoint
