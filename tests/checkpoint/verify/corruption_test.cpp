// Every flipped bit and every cut of sealed files is found, by loads and by verify.
// LAMINA_DAMAGE_SAMPLES: how many of each file at most (all).
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <set>

#include "checkpoint/index/index_seal.h"
#include "tests/checkpoint/sealed_files.h"
#include "tests/checkpoint/verify/damage_samples.h"
#include "tests/checkpoint/verify/refusals.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::damage_places;
using lamina::testing::damage_samples;
using lamina::testing::expect_refused;
using lamina::testing::problems_of;
using lamina::testing::random_tensor;
using lamina::testing::sealed_tree;
using lamina::testing::SealedFiles;
using lamina::testing::TensorMap;
using lamina::testing::text_of;
using lamina::testing::TreeBuilder;
using lamina::testing::write_text;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class Corruption : public ::testing::Test {
 protected:
  /// Flips so many bits of `file`, one at a time, which is a part of the checkpoint `path`.
  void flip(const fs::path& file, const fs::path& path, std::size_t all) {
    const std::string sound = text_of(file);
    const bool has_tensors = file.extension() == ".h5";
    const auto tensors = has_tensors ? std::optional(TensorMap(file)) : std::nullopt;
    const std::size_t count = damage_samples(all);
    std::size_t hit = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t bit = random_() % (8 * sound.size());
      std::string bytes = sound;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      write_text(file, bytes);
      const std::string tensor = tensors ? tensors->at(bit / 8) : std::string();
      hit += tensor.empty() ? 0 : 1;
      SCOPED_TRACE(fmt::format("bit {} of {}: '{}'", bit, file.string(), tensor));
      expect_refused(tree_, path, file, tensor);
      if (i % 8 == 0) {
        EXPECT_THAT(problems_of(path),
                    Contains(AllOf(HasSubstr(file.filename().string()), HasSubstr(tensor))));
      }
      if (HasFailure()) break;
    }
    if (count == all) {
      EXPECT_EQ(hit > 0, has_tensors);
    }
    write_text(file, sound);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  weights::WeightTree tree_ = sealed_tree(random_);
};

TEST_F(Corruption, EveryFlippedBitOfASingleFileIsFound) {
  const SealedFiles files(tree_);
  flip(files.single(), files.single(), 800);
  EXPECT_THAT(problems_of(files.single()), IsEmpty());
}

TEST_F(Corruption, EveryFlippedBitOfShardsAndIndexIsFound) {
  const SealedFiles files(tree_);
  const auto shards = files.shards();
  for (const auto& shard : shards) {
    flip(shard, files.index(), 1600 / shards.size());
  }
  flip(files.index(), files.index(), 400);
  EXPECT_THAT(problems_of(files.index()), IsEmpty());
}

TEST_F(Corruption, EveryBitOfTheIndexIsCovered) {
  const SealedFiles files(tree_);
  const std::string sound = text_of(files.index());
  for (std::size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    std::string text = sound;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    const auto seal = find_index_seal(text);
    ASSERT_TRUE(!seal || seal->stated != seal->found) << bit;
  }
}

TEST_F(Corruption, EveryCutIsFound) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random_, {5}, DType::kFloat32)});
  tree_ = std::move(builder.tree);
  const SealedFiles files(tree_);
  const std::string sound = text_of(files.single());
  std::size_t count = 0;
  for (const std::size_t size : damage_places(sound.size(), random_)) {
    write_text(files.single(), sound.substr(0, size));
    expect_refused(tree_, files.single(), files.single());
    ASSERT_FALSE(HasFailure()) << size << " bytes of " << sound.size();
    if (count++ % 16 == 0) {
      ASSERT_THAT(problems_of(files.single()), Not(IsEmpty())) << size;
    }
  }
  write_text(files.single(), sound + '\0');
  expect_refused(tree_, files.single(), files.single());
}

TEST_F(Corruption, EveryCutOfAnIndexIsFound) {
  const SealedFiles files(tree_);
  const std::string sound = text_of(files.index());
  for (const std::size_t size : damage_places(sound.size(), random_)) {
    write_text(files.index(), sound.substr(0, size));
    expect_refused(tree_, files.index(), files.index());
    ASSERT_FALSE(HasFailure()) << size << " bytes of " << sound.size();
  }
}

TEST_F(Corruption, VerifyNamesEveryDamagedTensorAndEveryMissingShard) {
  const SealedFiles files(tree_);
  const auto shards = files.shards();
  const TensorMap tensors(shards[0]);
  std::string bytes = text_of(shards[0]);
  std::set<std::string> damaged;
  for (std::size_t at = 0; at < bytes.size(); at += 97) {
    if (tensors.at(at).empty()) continue;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    damaged.insert(tensors.at(at));
  }
  ASSERT_GE(damaged.size(), 2U);
  write_text(shards[0], bytes);
  fs::remove(shards.back());
  const VerifyReport report = verify(files.index(), {}, storage::posix());
  for (const std::string& tensor : damaged) {
    EXPECT_THAT(report.problems, Contains(HasSubstr("'" + tensor + "' is damaged")));
  }
  EXPECT_THAT(report.problems, Contains(HasSubstr(shards.back().filename().string())));
  EXPECT_EQ(report.files, shards.size() - 1);
}

TEST_F(Corruption, VerifyCountsWhatItReadAndTellsHowFarItIs) {
  const SealedFiles files(tree_);
  std::uint64_t last = 0, total = 0;
  const VerifyReport report = verify(
      files.index(),
      [&](std::uint64_t done, std::uint64_t all) {
        EXPECT_GT(done, last);
        last = done;
        total = all;
      },
      storage::posix());
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  for (const auto& node : tree_.nodes) {
    for (const auto& [key, variable] : node.variables) {
      bytes += variable->nbytes();
      count += variable->nbytes() > 0;
    }
  }
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.unsealed, IsEmpty());
  EXPECT_EQ(report.files, files.shards().size());
  EXPECT_EQ(report.tensors, count);
  EXPECT_EQ(report.bytes, bytes);
  EXPECT_EQ(last, bytes);
  EXPECT_EQ(total, bytes);
}

TEST_F(Corruption, VerifySaysOfUnsealedFilesThatItCannotTell) {
  const SealedFiles files(tree_, false);
  EXPECT_THAT(verify(files.single(), {}, storage::posix()).unsealed, SizeIs(1));
  const VerifyReport report = verify(files.index(), {}, storage::posix());
  EXPECT_THAT(report.unsealed, SizeIs(files.shards().size()));
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.tensors, 0U);
  write_text(files.single(), text_of(files.single()).substr(0, 3000));
  EXPECT_THAT(problems_of(files.single()), Not(IsEmpty()));
}

}  // namespace
}  // namespace lamina::checkpoint
