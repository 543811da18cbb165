#include <fcntl.h>
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/tensor.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "storage/posix_file.h"
#include "storage/storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"
#include "tests/storage/whole_files.h"

namespace lamina::storage {
namespace {

using lamina::testing::TemporaryDirectory;
using testkit::random_bytes;
using testkit::read_all;

TEST(PosixStorage, WritesLargeAlignedBytesAndTheirTailAtTheirPlace) {
  const TemporaryDirectory directory;
  const auto bytes = random_bytes((std::size_t{3} << 20) + 1234);
  // Page-aligned, as large tensors are: the way past the page cache, tail and neighbours through
  // it.
  const Tensor tensor =
      Tensor::from_bytes(bytes, Shape{static_cast<std::int64_t>(bytes.size())}, DType::kUInt8);
  ASSERT_EQ(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 4096, 0u);
  const auto file = posix().create(directory / "f");
  const auto edge = random_bytes(4096);
  file->resize(4096 + bytes.size() + 10);
  file->write_at(0, edge);
  file->write_at(4096, tensor.bytes());
  file->write_at(4096 + bytes.size(), std::span(edge).first(10));
  file->close();
  std::vector<std::byte> expected = edge;
  expected.insert(expected.end(), bytes.begin(), bytes.end());
  expected.insert(expected.end(), edge.begin(), edge.begin() + 10);
  EXPECT_EQ(read_all(directory / "f"), expected);
}

/// Of the first pages of the file, whether each is in the page cache.
std::vector<unsigned char> cached_pages(const Path& path, std::size_t pages) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* map = ::mmap(nullptr, pages * 4096, PROT_READ, MAP_SHARED, fd, 0);
  std::vector<unsigned char> out(pages);
  EXPECT_EQ(::mincore(map, pages * 4096, out.data()), 0);
  for (unsigned char& page : out) page &= 1U;
  ::munmap(map, pages * 4096);
  ::close(fd);
  return out;
}

void drop_from_cache(const Path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::fsync(fd), 0);
  ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(fd);
}

int count_cached(const Path& path, std::size_t pages) {
  const std::vector<unsigned char> cached = cached_pages(path, pages);
  return std::accumulate(cached.begin(), cached.end(), 0);
}

/// Of page-aligned bytes: whether those that are written with O_DIRECT stay out of the page cache
/// here; asked without Lamina.
bool stay_out_of_cache(const Path& path, std::span<const std::byte> bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), 0);
  ::close(fd);
  return written == static_cast<ssize_t>(bytes.size()) &&
         count_cached(path, bytes.size() / 4096) == 0;
}

TEST(PosixStorage, WritesWhatIsLargeAndAlignedPastThePageCache) {
  const TemporaryDirectory directory;
  constexpr std::size_t kPages = 1024;  // 4 MiB
  const auto random = random_bytes(kPages * 4096 + 1234);
  const Tensor tensor =
      Tensor::from_bytes(random, Shape{static_cast<std::int64_t>(random.size())}, DType::kUInt8);
  ASSERT_EQ(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 4096, 0u);
  const std::span<const std::byte> bytes = tensor.bytes();
  if (!stay_out_of_cache(directory / "asked", bytes.first(kPages * 4096))) {
    GTEST_SKIP() << "O_DIRECT does not go past the page cache in " << directory.path()
                 << ", as on tmpfs";
  }
  for (const bool reserved : {false, true}) {
    const auto file = posix().create(directory / "f");
    if (reserved) file->resize(bytes.size());
    file->write_at(0, bytes);
    EXPECT_EQ(count_cached(directory / "f", kPages), 0) << "reserved: " << reserved;
    file->close();
    EXPECT_EQ(read_all(directory / "f"), random);
  }
  // What is not aligned in memory goes through it, and is seen there.
  posix().create(directory / "g")->write_at(0, bytes.subspan(1));
  EXPECT_GT(count_cached(directory / "g", kPages), static_cast<int>(kPages) / 2);
}

// The pages of some machines have 64 KiB: neighbours that other threads write share them.
TEST(DirectPart, IsAllWholePagesOfTheFileFromAlignedMemory) {
  constexpr std::size_t kBlock = 4096, kWorthIt = std::size_t{1} << 20;
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Tensor memory = Tensor::empty(Shape{4 << 20}, DType::kUInt8);
  std::size_t found = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::size_t page = kBlock << random() % 5;
    const std::uint64_t offset = random() % 2 == 0 ? kBlock * (random() % 100) : random() % 100'000;
    const std::size_t at =
        random() % 4 == 0 ? random() % kBlock : static_cast<std::size_t>(offset % kBlock);
    const std::size_t size = random() % (memory.bytes().size() - kBlock);
    const auto bytes = std::span(memory.bytes()).subspan(at, size);
    const std::uint64_t begin = (offset + page - 1) / page * page;
    const std::uint64_t end = std::max(begin, (offset + size) / page * page);
    const bool aligned =
        (reinterpret_cast<std::uintptr_t>(bytes.data()) + (begin - offset)) % kBlock == 0;
    const DirectPart part = direct_part(offset, bytes, {.page = page});
    SCOPED_TRACE(std::to_string(size) + " bytes at " + std::to_string(offset) + " from " +
                 std::to_string(at) + ", pages of " + std::to_string(page));
    if (!aligned || end - begin < kWorthIt) {
      ASSERT_EQ(part.size, 0U);
      continue;
    }
    ++found;
    ASSERT_EQ(part.begin, begin - offset);
    ASSERT_EQ(part.size, end - begin);
  }
  EXPECT_GT(found, 100U);
}

TEST(PosixStorage, ReadsTheSameThroughThePageCacheAndPastIt) {
  const TemporaryDirectory directory;
  constexpr std::size_t kPages = 1024;
  const auto bytes = random_bytes(kPages * 4096 + 1234);
  posix().create(directory / "f")->write_at(0, bytes);
  for (const bool cached : {false, true}) {
    if (!cached) drop_from_cache(directory / "f");
    const auto before = cached_pages(directory / "f", kPages);
    // From the first, the second and no page's beginning; to the end, and to the middle of a page.
    for (const std::size_t from : {std::size_t{0}, std::size_t{4096}, std::size_t{777}}) {
      for (const std::size_t size : {bytes.size() - from, std::size_t{2'500'001}}) {
        const auto count = static_cast<std::int64_t>(size);
        Tensor out = Tensor::from_bytes(std::vector<std::byte>(size, std::byte{0xa5}), Shape{count},
                                        DType::kUInt8);
        posix().open(directory / "f")->read_at(from, out.bytes());
        EXPECT_TRUE(std::equal(out.bytes().begin(), out.bytes().end(), bytes.begin() + from))
            << from << " " << size;
        if (cached || from == 777 || before.front() != 0) continue;
        // What was not in the cache has not got there: but for the last pages, which are not whole.
        const auto after = cached_pages(directory / "f", kPages);
        EXPECT_LT(std::accumulate(after.begin(), after.end(), 0), 300) << from << " " << size;
      }
    }
    EXPECT_EQ(read_all(directory / "f"), bytes);
  }
}

TEST(PosixStorage, ALargeReadPastTheEndIsReported) {
  const TemporaryDirectory directory;
  const auto bytes = random_bytes(std::size_t{2} << 20);
  posix().create(directory / "f")->write_at(0, bytes);
  for (const bool cached : {true, false}) {
    if (!cached) drop_from_cache(directory / "f");
    Tensor out = Tensor::empty(Shape{3 << 20}, DType::kUInt8);
    EXPECT_THROW(posix().open(directory / "f")->read_at(0, out.bytes()), FormatError);
  }
}

}  // namespace
}  // namespace lamina::storage
