// What sealed files are, and what loads refuse. Damage bit by bit is in corruption_test.cpp.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "checkpoint/index/index_seal.h"
#include "checkpoint/save/begin_save.h"
#include "checkpoint/save/save.h"
#include "checkpoint/save/save_job.h"
#include "checkpoint/seal/seal.h"
#include "checkpoint/seal/sealed_file.h"
#include "core/crc32c.h"
#include "tests/checkpoint/sealed_files.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::FakeGpu;
using lamina::testing::kGigabyte;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::sealed_tree;
using lamina::testing::SealedFiles;
using lamina::testing::snapshot;
using lamina::testing::TensorMap;
using lamina::testing::text_of;
using lamina::testing::TreeBuilder;
using lamina::testing::write_text;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace fs = std::filesystem;

SealedFile seal_of(const fs::path& file) {
  const h5::Reader reader(storage::posix().open(file));
  auto sealed = read_sealed_file(reader);
  EXPECT_TRUE(sealed.has_value()) << file;
  return sealed.value_or(SealedFile{});
}

class SealTest : public ::testing::Test {
 protected:
  /// The message with which a load refuses the file, leaving the model as it was; empty when it
  /// loads.
  std::string refusal(const fs::path& path, bool verify = true) const {
    const auto model = poisoned_copy(tree_);
    const std::vector<Tensor> before = snapshot(model);
    LoadRequest request;
    request.verify = verify;
    try {
      load(model, path, request);
    } catch (const CorruptionError& error) {
      EXPECT_TRUE(same_values(snapshot(model), before));
      return error.what();
    }
    return {};
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  const weights::WeightTree tree_ = sealed_tree(random_);
};

TEST_F(SealTest, SaysTheSaveTheShardAndTheChecksumOfEachTensor) {
  const SealedFiles files(tree_);
  const auto shards = files.shards();
  ASSERT_GE(shards.size(), 2U);
  std::set<SaveId> saves;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const SealedFile sealed = seal_of(shards[i]);
    saves.insert(sealed.seal.save);
    EXPECT_EQ(sealed.seal.shard, i);
    EXPECT_EQ(sealed.seal.shards, shards.size());
    EXPECT_EQ(sealed.tensors.size(), TensorMap(shards[i]).size());
    const std::string bytes = text_of(shards[i]);
    for (const SealedTensor& tensor : sealed.tensors) {
      const std::span all(bytes);
      EXPECT_EQ(core::crc32c(std::as_bytes(all.subspan(tensor.place.offset, tensor.place.size))),
                tensor.crc32c)
          << tensor.path;
    }
  }
  ASSERT_EQ(saves.size(), 1U);
  const auto index = find_index_seal(text_of(files.index()));
  ASSERT_TRUE(index.has_value());
  EXPECT_EQ(index->save, *saves.begin());
  EXPECT_EQ(index->stated, index->found);
  EXPECT_NE(seal_of(files.single()).seal.save, *saves.begin());
}

TEST_F(SealTest, CoversEveryByteOnce) {
  const SealedFiles files(tree_);
  const SealedFile sealed = seal_of(files.single());
  std::vector<int> covered(fs::file_size(files.single()));
  for (const SealedTensor& tensor : sealed.tensors) {
    for (std::uint64_t i = 0; i < tensor.place.size; ++i) ++covered[tensor.place.offset + i];
  }
  for (const FileRange& range : sealed.rest) {
    for (std::uint64_t i = 0; i < range.size; ++i) ++covered[range.offset + i];
  }
  const std::size_t of_seal = 16 + 8 + 4 * (sealed.tensors.size() + 2);
  EXPECT_EQ(std::count(covered.begin(), covered.end(), 0), static_cast<std::ptrdiff_t>(of_seal));
  EXPECT_EQ(std::count(covered.begin(), covered.end(), 1),
            static_cast<std::ptrdiff_t>(covered.size() - of_seal));
}

TEST_F(SealTest, SealedFilesLoadBitForBit) {
  const SealedFiles files(tree_);
  for (const auto& path : {files.single(), files.index()}) {
    const auto copy = poisoned_copy(tree_);
    const CapturedWarnings warnings;
    load(copy, path, {});
    EXPECT_TRUE(same_values(snapshot(copy), snapshot(tree_))) << path;
    EXPECT_THAT(warnings.all, IsEmpty());
  }
}

/// Of any size and hardly any bytes: all behind the first ones are zeros, but for the last.
class SparseFile final : public storage::ReadableFile {
 public:
  explicit SparseFile(h5::Layout layout)
      : begin_(std::move(layout.metadata)), size_(layout.file_size + seal_mark().size()) {}
  [[nodiscard]] const storage::Path& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] bool is_replaced() const override { return false; }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    const auto put = [&](std::uint64_t at, std::span<const std::byte> bytes) {
      const std::uint64_t first = std::max(offset, at),
                          last = std::min(offset + out.size(), at + bytes.size());
      if (first < last)
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(first - at), last - first,
                    out.begin() + static_cast<std::ptrdiff_t>(first - offset));
    };
    std::fill(out.begin(), out.end(), std::byte{0});
    put(0, begin_);
    put(size_ - seal_mark().size(), seal_mark());
    read_ += out.size();
  }
  [[nodiscard]] std::uint64_t bytes_read() const { return read_; }

 private:
  const storage::Path path_ = "sparse.weights.h5";
  const std::vector<std::byte> begin_;
  const std::uint64_t size_;
  mutable std::atomic<std::uint64_t> read_ = 0;
};

TEST_F(SealTest, OfMoreTensorsThanThereAreIsRefusedUnread) {
  const auto file = std::make_shared<SparseFile>(
      h5::make_layout({{"/layers/dense/vars", "dense", true, {{"0", Shape{3}, DType::kFloat32}}},
                       seal_group(50'000'000)}));
  const h5::Reader reader(file);
  try {
    (void)read_sealed_file(reader);
    ADD_FAILURE() << "accepted";
  } catch (const CorruptionError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("'sparse.weights.h5': its metadata is damaged: 1 tensors are found where "
                          "50000000 were saved"));
  }
  EXPECT_LT(file->bytes_read(), 1U << 20);
}

TEST_F(SealTest, OffItLeavesNothingOfItselfAndTheSaveRepeatsToTheByte) {
  const SealedFiles files(tree_, false), again(tree_, false);
  EXPECT_EQ(text_of(files.index()), text_of(again.index()));
  EXPECT_THAT(text_of(files.index()), Not(HasSubstr("lamina")));
  auto paths = files.shards();
  paths.push_back(files.single());
  for (const auto& path : paths) {
    const std::string bytes = text_of(path);
    EXPECT_EQ(bytes, text_of(again / path.filename().string()));
    EXPECT_EQ(bytes.find("amina"), bytes.npos);
    EXPECT_FALSE(read_sealed_file(h5::Reader(storage::posix().open(path))).has_value());
  }
  EXPECT_THAT(refusal(files.single()), IsEmpty());
  EXPECT_THAT(refusal(files.index()), IsEmpty());
}

TEST_F(SealTest, WithAndWithoutItSavesOfOneStructureDoNotMixUp) {
  // The plan and the layouts of a structure are kept from save to save.
  const auto shared = std::make_shared<const weights::WeightTree>(tree_);
  const lamina::testing::TemporaryDirectory directory{lamina::testing::memory_directory()};
  for (const bool seal : {true, false, true, false, true}) {
    SaveRequest request;
    request.seal = seal;
    auto job = begin_save(shared, directory / "m.weights.h5", request, storage::posix());
    SaveState state(directory / "m.weights.h5");
    run_save(*job, storage::posix(), state);
    const h5::Reader reader(storage::posix().open(directory / "m.weights.h5"));
    EXPECT_EQ(read_sealed_file(reader).has_value(), seal);
    EXPECT_THAT(refusal(directory / "m.weights.h5"), IsEmpty());
  }
}

TEST_F(SealTest, ShardsInEachOthersPlacesAreRefused) {
  const SealedFiles files(tree_);
  const auto shards = files.shards();
  fs::rename(shards[0], files / "aside");
  fs::rename(shards[1], shards[0]);
  fs::rename(files / "aside", shards[1]);
  EXPECT_THAT(refusal(files.index()), HasSubstr("which has another name"));
}

TEST_F(SealTest, AShardOfAnotherSaveOfTheSameModelIsRefused) {
  const SealedFiles files(tree_), others(tree_);
  for (std::size_t i = 0; i < files.shards().size(); ++i) {
    const auto shard = files.shards()[i];
    const std::string own = text_of(shard);
    write_text(shard, text_of(others.shards()[i]));
    const std::string message = refusal(files.index());
    EXPECT_THAT(message, HasSubstr(shard.string()));
    EXPECT_THAT(message, HasSubstr("belongs to the save"));
    EXPECT_THAT(message, HasSubstr(hex(seal_of(others.shards()[i]).seal.save)));
    write_text(shard, own);
  }
  EXPECT_THAT(refusal(files.index()), IsEmpty());
}

TEST_F(SealTest, TheIndexOfAnotherSaveIsRefused) {
  const SealedFiles files(tree_), others(tree_);
  write_text(files.index(), text_of(others.index()));
  EXPECT_THAT(refusal(files.index()), HasSubstr("belongs to the save"));
}

TEST_F(SealTest, SealedAndUnsealedFilesAreNotOneCheckpoint) {
  const SealedFiles sealed(tree_), unsealed(tree_, false);
  const std::string index = text_of(sealed.index());
  write_text(sealed.index(), text_of(unsealed.index()));
  EXPECT_THAT(refusal(sealed.index()), HasSubstr("is not sealed, and its shard"));
  write_text(sealed.index(), index);
  write_text(sealed.shards()[1], text_of(unsealed.shards()[1]));
  EXPECT_THAT(refusal(sealed.index()), HasSubstr("is not sealed, and the index"));
}

TEST_F(SealTest, AChangedTensorIsNamedAndLoadsWhenNothingIsVerified) {
  const SealedFiles files(tree_);
  const SealedFile sealed = seal_of(files.single());
  std::string bytes = text_of(files.single());
  const SealedTensor& tensor = sealed.tensors[random_() % sealed.tensors.size()];
  bytes[tensor.place.offset + random_() % tensor.place.size] ^= 0x10;
  write_text(files.single(), bytes);
  const std::string message = refusal(files.single());
  EXPECT_THAT(message, HasSubstr(files.single().string()));
  EXPECT_THAT(message, HasSubstr("'" + tensor.path + "' is damaged"));
  EXPECT_THAT(message, HasSubstr(fmt::format("where {:08x} was saved", tensor.crc32c)));
  EXPECT_THAT(refusal(files.single(), false), IsEmpty());
}

TEST_F(SealTest, LargeTensorsAreSummedUpFromManyParts) {
  TreeBuilder builder;
  builder.layer("layers/a", "a", {random_tensor(random_, {9'000'001}, DType::kFloat32)});
  builder.layer("layers/b", "b", {random_tensor(random_, {300'017}, DType::kFloat64)});
  const lamina::testing::TemporaryDirectory directory{lamina::testing::memory_directory()};
  save(builder.tree, directory / "m.weights.h5", {});
  const SealedFile sealed = seal_of(directory / "m.weights.h5");
  ASSERT_EQ(sealed.tensors.size(), 2U);
  for (const auto& node : builder.tree.nodes) {
    for (const auto& [key, variable] : node.variables) {
      const std::uint32_t crc = core::crc32c(variable->value().bytes());
      EXPECT_TRUE(sealed.tensors[0].crc32c == crc || sealed.tensors[1].crc32c == crc);
    }
  }
  const auto copy = poisoned_copy(builder.tree);
  load(copy, directory / "m.weights.h5", {});
  EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder.tree)));
}

TEST_F(SealTest, ValuesOfADeviceAreSealedInTheirSlotsAndVerifiedThere) {
  for (int round = 0; round < 10; ++round) {
    const FakeGpu gpu({.seed = random_()}, {1 + random_() % 3, 4096 * (1 + random_() % 3)});
    {
      const auto there = poisoned_copy(tree_, Device::cuda(0));
      const SealedFiles here(tree_);
      load(there, here.single(), {});
      const SealedFiles files(there);
      const SealedFile a = seal_of(files.single()), b = seal_of(here.single());
      EXPECT_EQ(a.seal.tensors, b.seal.tensors);
      EXPECT_THAT(refusal(files.index()), IsEmpty());

      std::string bytes = text_of(files.single());
      const SealedTensor& tensor = a.tensors[random_() % a.tensors.size()];
      bytes[tensor.place.offset + random_() % tensor.place.size] ^= 1;
      write_text(files.single(), bytes);
      const std::vector<Tensor> before = snapshot(there);
      try {
        load(there, files.single(), {});
        FAIL() << "loaded";
      } catch (const CorruptionError& error) {
        EXPECT_THAT(error.what(), HasSubstr("'" + tensor.path + "' is damaged"));
      }
      EXPECT_TRUE(same_values(snapshot(there), before));
    }
    EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
    EXPECT_EQ(gpu->used(), 0U);
  }
}

}  // namespace
}  // namespace lamina::checkpoint
