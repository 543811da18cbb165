#include "checkpoint/transfer/chunk_plan.h"
#include "tests/fresh_seed.h"

#include <gtest/gtest.h>

#include <random>

namespace lamina::checkpoint {
namespace {

const int kFileA = 0, kFileB = 0;
constexpr std::size_t kSlot = std::size_t{1} << 20;

std::size_t total(const std::vector<Chunk>& chunks) {
  std::size_t sum = 0;
  for (const Chunk& chunk : chunks) {
    for (const Run& run : chunk.runs) sum += run.size;
  }
  return sum;
}

TEST(ChunkPlan, GathersNeighboursIntoOneRun) {
  std::vector<FilePlace> places;
  for (std::size_t i = 0; i < 1000; ++i) places.push_back({&kFileA, 100 + 1000 * i, 1000});
  const auto chunks = plan_chunks(places, kSlot);
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0].pieces.size(), 1000U);
  ASSERT_EQ(chunks[0].runs.size(), 1U);
  EXPECT_EQ(chunks[0].runs[0].file_offset, 100U);
  EXPECT_EQ(chunks[0].runs[0].size, 1'000'000U);
}

TEST(ChunkPlan, CutsWhatIsLargerThanASlotAtAlignedPlaces) {
  const std::vector<FilePlace> places{{&kFileA, 8192, 3 * kSlot + 5}};
  const auto chunks = plan_chunks(places, kSlot);
  ASSERT_EQ(chunks.size(), 4U);
  for (const Chunk& chunk : chunks) {
    ASSERT_EQ(chunk.runs.size(), 1U);
    EXPECT_EQ(chunk.runs[0].file_offset % 4096, 0U);
    EXPECT_EQ(chunk.runs[0].slot_offset % 4096, 0U);
  }
  EXPECT_EQ(chunks[3].runs[0].size, 5U);
}

TEST(ChunkPlan, KeepsFilesApart) {
  const std::vector<FilePlace> places{{&kFileA, 0, 10}, {&kFileB, 10, 10}, {&kFileB, 20, 10}};
  const auto chunks = plan_chunks(places, kSlot);
  ASSERT_EQ(chunks.size(), 1U);
  ASSERT_EQ(chunks[0].runs.size(), 2U);
  EXPECT_EQ(chunks[0].runs[1].size, 20U);
}

TEST(ChunkPlan, IsEmptyForNothing) {
  EXPECT_TRUE(plan_chunks({}, kSlot).empty());
  EXPECT_TRUE(plan_chunks(std::vector<FilePlace>{{&kFileA, 5, 0}}, kSlot).empty());
}

/// Every byte once, in its place, within its slot, and no two pieces on the same bytes of a slot.
TEST(ChunkPlan, HoldsForRandomPlaces) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t slot = 4096 << random() % 8;
    std::vector<FilePlace> places;
    std::uint64_t offset = random() % 5000;
    for (std::size_t i = random() % 40; i > 0; --i) {
      const std::size_t size = random() % 3 == 0 ? random() % (3 * slot) : random() % 3000;
      places.push_back({random() % 9 == 0 ? &kFileB : &kFileA, offset, size});
      offset += size + (random() % 2 == 0 ? 0 : random() % 9000);
    }
    std::vector<std::size_t> done(places.size());
    const auto chunks = plan_chunks(places, slot);
    for (const Chunk& chunk : chunks) {
      ASSERT_FALSE(chunk.runs.empty());
      std::size_t used = 0;
      auto run = chunk.runs.begin();
      for (const Piece& piece : chunk.pieces) {
        ASSERT_GT(piece.size, 0U);
        ASSERT_GE(piece.slot_offset, used);
        used = piece.slot_offset + piece.size;
        ASSERT_LE(used, slot);
        ASSERT_EQ(piece.place_offset, done[piece.place]);
        done[piece.place] += piece.size;
        while (piece.slot_offset >= run->slot_offset + run->size)
          ASSERT_NE(++run, chunk.runs.end());
        ASSERT_EQ(places[run->place].file, places[piece.place].file);
        ASSERT_EQ(run->file_offset + (piece.slot_offset - run->slot_offset),
                  places[piece.place].offset + piece.place_offset);
      }
    }
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      ASSERT_EQ(done[i], places[i].size);
      bytes += places[i].size;
    }
    ASSERT_EQ(total(chunks), bytes);
  }
}

}  // namespace
}  // namespace lamina::checkpoint
