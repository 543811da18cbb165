#include "checkpoint/transfer/gather.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "checkpoint/checkpoint.h"
#include "core/buffer.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::GatedStorage;
using lamina::testing::memory_directory;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;

class NoFile final : public storage::WritableFile {
 public:
  const storage::Path& path() const override { return path_; }
  void resize(std::uint64_t) override {}
  void write_at(std::uint64_t, std::span<const std::byte>) override {}
  void sync() override {}
  void close() override {}

 private:
  storage::Path path_;
};

/// Random extents without overlap, some neighbours and some apart, some aligned and large.
std::vector<WriteExtent> random_extents(std::mt19937& random, storage::WritableFile* file,
                                        std::span<const std::byte> memory) {
  std::vector<WriteExtent> out;
  std::uint64_t offset = random() % 10'000;
  for (std::size_t at = 0; out.size() < 60;) {
    std::size_t size = random() % 3 == 0 ? random() % 9'000'000 : 1 + random() % 30'000;
    if (random() % 4 == 0) offset = (offset + 4095) / 4096 * 4096, at = (at + 4095) / 4096 * 4096;
    if (at + size > memory.size()) break;
    out.push_back({file, offset, memory.subspan(at, size)});
    at += size + random() % 2;
    offset += size + (random() % 3 == 0 ? random() % 10'000 : 0);
  }
  std::shuffle(out.begin(), out.end(), random);
  return out;
}

TEST(Gather, RunsHoldEveryByteOnceAtItsPlace) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  NoFile files[2];
  const auto owner = core::allocate_host(std::size_t{96} << 20);
  const std::span<const std::byte> memory(static_cast<std::byte*>(owner.get()),
                                          std::size_t{96} << 20);
  for (int round = 0; round < 50; ++round) {
    std::vector<WriteExtent> extents = random_extents(random, &files[0], memory);
    for (const auto& e : random_extents(random, &files[1], memory)) extents.push_back(e);
    // The address of each byte's source, piece by piece, by file and offset.
    std::map<std::pair<const void*, std::uint64_t>, std::span<const std::byte>> wanted;
    std::uint64_t bytes = 0;
    for (const auto& e : extents) wanted[{e.file, e.offset}] = e.bytes, bytes += e.bytes.size();
    std::uint64_t planned = 0;
    for (const WriteRun& run : plan_runs(extents)) {
      std::uint64_t at = run.offset;
      for (const auto& piece : run.pieces) {
        const auto next = wanted.upper_bound({run.file, at});
        ASSERT_NE(next, wanted.begin());
        const auto& [place, source] = *std::prev(next);
        ASSERT_EQ(place.first, run.file);
        ASSERT_EQ(piece.bytes.data(), source.data() + (at - place.second));
        ASSERT_LE(at - place.second + piece.bytes.size(), source.size());
        at += piece.bytes.size();
      }
      EXPECT_EQ(at - run.offset, run.size);
      EXPECT_TRUE(run.pieces.size() == 1 || run.size <= kLongestGather);
      planned += run.size;
    }
    EXPECT_EQ(planned, bytes);
  }
}

TEST(Gather, ThousandsOfSmallVariablesTakeFewWrites) {
  const TemporaryDirectory directory{memory_directory()};
  TreeBuilder builder;
  std::mt19937 random(lamina::test::fresh_seed());
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name,
                  {lamina::testing::random_tensor(random, {1024}, DType::kFloat32)});
  }
  GatedStorage storage;
  save(builder.tree, directory / "m.weights.h5", {}, storage);
  EXPECT_LT(storage.writes(), 40U);  // 12 MB of values and some 5 MB of metadata
  const auto copy = lamina::testing::poisoned_copy(builder.tree);
  load(copy, directory / "m.weights.h5", {});
  EXPECT_TRUE(lamina::testing::same_values(lamina::testing::snapshot(copy),
                                           lamina::testing::snapshot(builder.tree)));
}

}  // namespace
}  // namespace lamina::checkpoint
