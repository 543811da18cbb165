// Chunked datasets by every index that HDF5 has for them, through every filter that Lamina reads.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <numeric>
#include <string_view>

#include "h5/read/filter.h"
#include "hdf5_image.h"

namespace lamina::h5::test {
namespace {

using testing::HasSubstr;

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.5f);
  return values;
}

enum class Filters { kNone, kDeflate, kShuffleDeflate, kAll };

struct ChunkCase {
  const char* name;
  Format format;
  std::vector<hsize_t> dims, chunk, maximum;
  bool early = false;  ///< allocated at once: an implicit index
};

std::vector<ChunkCase> chunk_cases() {
  const hsize_t any = H5S_UNLIMITED;
  return {
      {"btree1", Format::kEarliest, {7, 10}, {3, 4}, {}},
      {"btree1 of many nodes", Format::kEarliest, {4001}, {3}, {}},
      {"single", Format::kLatest, {7, 10}, {7, 10}, {}},
      {"implicit", Format::kLatest, {7, 10}, {3, 4}, {}, true},
      {"fixed array", Format::kLatest, {7, 10}, {3, 4}, {}},
      {"fixed array, larger maximum", Format::kLatest, {7, 10}, {3, 4}, {20, 30}},
      {"fixed array of pages", Format::kLatest, {2, 6001}, {1, 2}, {}},
      {"extensible array", Format::kLatest, {7, 10}, {3, 4}, {any, 10}},
      {"extensible array, last axis", Format::kLatest, {7, 10, 2}, {3, 4, 1}, {7, any, 2}},
      {"extensible array of blocks", Format::kLatest, {9001}, {3}, {any}},
      {"extensible array of pages", Format::kLatest, {300001}, {2}, {any}},
      {"btree2", Format::kLatest, {7, 10}, {3, 4}, {any, any}},
      {"btree2 of many nodes", Format::kLatest, {101, 90}, {1, 2}, {any, any}},
  };
}

Handle creation(const ChunkCase& c, Filters filters) {
  Handle list = chunked(c.chunk);
  if (c.early) checked(H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY));
  if (filters == Filters::kShuffleDeflate || filters == Filters::kAll)
    checked(H5Pset_shuffle(list));
  if (filters != Filters::kNone) checked(H5Pset_deflate(list, 6));
  if (filters == Filters::kAll) checked(H5Pset_fletcher32(list));
  return list;
}

TEST(Chunks, ComeBackFromEveryIndexAndFilter) {
  for (const ChunkCase& c : chunk_cases()) {
    for (const Filters filters :
         {Filters::kNone, Filters::kDeflate, Filters::kShuffleDeflate, Filters::kAll}) {
      std::size_t count = 1;
      for (const hsize_t dim : c.dims) count *= dim;
      if (count > 100000 && filters != Filters::kNone) continue;  // the library takes seconds
      const std::vector<float> values = ramp(count);
      Hdf5Image image(c.format);
      image.dataset("vars/0", H5T_IEEE_F32LE, c.dims, values.data(), creation(c, filters),
                    c.maximum);
      SCOPED_TRACE(fmt::format("{}, filters {}", c.name, int(filters)));
      const Reader reader = open(image.bytes());
      ASSERT_EQ(format_error_of([&] { (void)reader.find("/vars"); }), "");
      EXPECT_EQ(read_as<float>(reader, "/vars", "0"), values)
          << c.name << ", filters " << int(filters);
      EXPECT_FALSE(reader.find("/vars")->datasets.at("0").plain);
    }
  }
}

TEST(Chunks, LeaveTheFillValueWhereNothingIsStored) {
  for (const ChunkCase& c : chunk_cases()) {
    if (c.early) continue;
    const Handle list = creation(c, Filters::kNone);
    const float fill = -1;
    checked(H5Pset_fill_value(list, H5T_IEEE_F32LE, &fill));
    Hdf5Image image(c.format);
    image.dataset("vars/0", H5T_IEEE_F32LE, c.dims, nullptr, list, c.maximum);
    std::size_t count = 1;
    for (const hsize_t dim : c.dims) count *= dim;
    EXPECT_EQ(read_as<float>(open(image.bytes()), "/vars", "0"), std::vector<float>(count, fill))
        << c.name;
  }
}

TEST(Chunks, ADamagedChunkIsRefusedByItsChecksum) {
  const std::vector<float> values = ramp(64);
  const Handle list = chunked({64});
  checked(H5Pset_fletcher32(list));
  Hdf5Image image;
  image.dataset("vars/0", H5T_IEEE_F32LE, {64}, values.data(), list);
  std::vector<std::byte> bytes = image.bytes();
  const auto* first = reinterpret_cast<const std::byte*>(values.data());
  const auto at = std::search(bytes.begin(), bytes.end(), first, first + 256);
  ASSERT_NE(at, bytes.end());
  *(at + 100) ^= std::byte{1};
  const Reader reader = open(bytes);
  EXPECT_THAT(format_error_of([&] { (void)read_as<float>(reader, "/vars", "0"); }),
              HasSubstr("/vars/0: a chunk's checksum does not match"));
}

TEST(Chunks, OfAnUnknownFilterAreRefusedByName) {
  const Handle list = chunked({64});
  checked(H5Pset_nbit(list));
  Hdf5Image image;
  image.dataset("vars/0", H5T_IEEE_F32LE, {64}, nullptr, list);
  const Reader reader = open(image.bytes());
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/vars"); }),
              HasSubstr("the filter 5 \"nbit\" is not supported"));
}

TEST(Chunks, AShuffleOfElementsLargerThanTheChunkCostsNothing) {
  const Pipeline pipeline{{Filter::Kind::kShuffle, 0xffffffff}};
  const std::vector<std::byte> bytes(24, std::byte{7});
  const std::clock_t begin = std::clock();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(undo_filters(pipeline, 0, bytes, bytes.size()), bytes);
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC);
}

std::vector<std::byte> expanded(std::initializer_list<int> bytes, std::size_t size) {
  std::vector<std::byte> stored;
  for (const int byte : bytes) stored.push_back(static_cast<std::byte>(byte));
  return undo_filters({{Filter::Kind::kLzf}}, 0, std::move(stored), size);
}

TEST(Lzf, GivesRunsAndWhatTheyReferTo) {
  const auto text = [](std::string_view t) {
    const auto bytes = std::as_bytes(std::span(t));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  EXPECT_EQ(expanded({2, 'a', 'b', 'c'}, 3), text("abc"));
  EXPECT_EQ(expanded({2, 'a', 'b', 'c', 1 << 5, 2}, 6), text("abcabc"));
  EXPECT_EQ(expanded({1, 'a', 'b', 2 << 5, 0}, 6), text("abbbbb"));
  EXPECT_EQ(expanded({0, 'x', 7 << 5, 255, 0}, 265), std::vector<std::byte>(265, std::byte{'x'}));
}

TEST(Lzf, ReadsNothingOutsideOfWhatThereIs) {
  EXPECT_THAT(format_error_of([] { (void)expanded({2, 'a', 'b'}, 3); }), HasSubstr("ends early"));
  EXPECT_THAT(format_error_of([] {
                (void)expanded({0, 'a', 1 << 5}, 4);
              }),
              HasSubstr("ends early"));
  EXPECT_THAT(format_error_of([] {
                (void)expanded({0, 'a', 7 << 5}, 4);
              }),
              HasSubstr("ends early"));
  EXPECT_THAT(format_error_of([] {
                (void)expanded({0, 'a', 1 << 5, 1}, 4);
              }),
              HasSubstr("no such bytes"));
  EXPECT_THAT(format_error_of([] { (void)expanded({1 << 5, 0}, 3); }), HasSubstr("no such bytes"));
  EXPECT_THAT(format_error_of([] {
                (void)expanded({0, 'a'}, 2);
              }),
              HasSubstr("holds 1 bytes instead of 2"));
  std::vector<std::byte> bomb{std::byte{0}, std::byte{0}};
  for (int i = 0; i < 100'000; ++i)
    bomb.insert(bomb.end(), {std::byte{0xe0}, std::byte{0xff}, std::byte{0}});
  EXPECT_THAT(format_error_of([&] { (void)undo_filters({{Filter::Kind::kLzf}}, 0, bomb, 64); }),
              HasSubstr("too long"));
}

TEST(Compact, DatasetsComeBack) {
  const std::vector<float> values = ramp(5);
  const Handle list = creation_list();
  checked(H5Pset_layout(list, H5D_COMPACT));
  Hdf5Image image;
  image.dataset("vars/0", H5T_IEEE_F32LE, {5}, values.data(), list);
  EXPECT_EQ(read_as<float>(open(image.bytes()), "/vars", "0"), values);
}

}  // namespace
}  // namespace lamina::h5::test
