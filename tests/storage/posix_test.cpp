#include <fcntl.h>
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/tensor.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "storage/posix_call.h"
#include "storage/posix_file.h"
#include "storage/posix_remove.h"
#include "storage/storage.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/open_resources.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::storage {
namespace {

using lamina::testing::OpenResources;
using lamina::testing::TemporaryDirectory;

std::vector<std::byte> random_bytes(std::size_t n) {
  const unsigned seed = lamina::test::fresh_seed();
  ::testing::Test::RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 random(seed);
  return lamina::testing::random_bytes(random, n);
}

std::vector<std::byte> read_all(const Path& path) {
  const auto file = posix().open(path);
  std::vector<std::byte> bytes(file->size(), std::byte{0xa5});
  file->read_at(0, bytes);
  return bytes;
}

TEST(PosixStorage, ReadsBackWhatSeveralThreadsWrote) {
  const TemporaryDirectory directory;
  const auto bytes = random_bytes(300'007);
  const auto file = posix().create(directory / "f");
  file->resize(bytes.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t part = 0; part < 7; ++part) {
      threads.emplace_back([&, part] {
        const std::size_t from = bytes.size() * part / 7, to = bytes.size() * (part + 1) / 7;
        file->write_at(from, std::span(bytes).subspan(from, to - from));
      });
    }
  }
  file->sync();
  file->close();
  EXPECT_EQ(read_all(directory / "f"), bytes);
}

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

TEST(PosixStorage, CreateTruncatesAndResizeCutsOrFillsWithZeros) {
  const TemporaryDirectory directory;
  posix().create(directory / "f")->write_at(0, random_bytes(1000));
  const auto file = posix().create(directory / "f");
  file->resize(100);
  EXPECT_EQ(read_all(directory / "f"), std::vector<std::byte>(100));
  file->resize(0);
  EXPECT_EQ(posix().open(directory / "f")->size(), 0u);
}

/// Removes no file, as where each is somebody else's.
class StickyStorage final : public lamina::testing::PassingStorage {
 public:
  void remove(const Path& path) override {
    throw StorageError("unlink failed for '" + path.string() + "': Operation not permitted", EPERM);
  }
};

TEST(RemoveAll, SaysWhyAFileCannotBeRemoved) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "d");
  posix().create(directory / "d" / "f")->close();
  StickyStorage sticky;
  try {
    remove_all(directory / "d", sticky);
    ADD_FAILURE() << "was removed";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EPERM);
    EXPECT_NE(std::string(error.what()).find("'" + (directory / "d" / "f").string() + "'"),
              std::string::npos);
  }
  remove_all(directory / "d", posix());
  EXPECT_FALSE(posix().exists(directory / "d"));
}

// As a server of files has for a client that writes.
TEST(PosixStorage, AFileThatIsLeasedIsReadOnceTheLeaseIsGivenBack) {
  const TemporaryDirectory directory;
  const auto bytes = random_bytes(1000);
  posix().create(directory / "f")->write_at(0, bytes);
  const auto before = std::signal(SIGIO, SIG_IGN);  // by which the holder is asked
  const Descriptor held(::open((directory / "f").c_str(), O_RDWR | O_CLOEXEC));
  if (::fcntl(held.get(), F_SETLEASE, F_WRLCK) != 0) GTEST_SKIP() << "no leases here";
  std::atomic<bool> given_back = false;
  {
    const std::jthread holder([&](const std::stop_token& stop) {
      while (!stop.stop_requested() && ::fcntl(held.get(), F_GETLEASE) == F_WRLCK)
        std::this_thread::yield();  // not asked yet
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      given_back = true;
      (void)::fcntl(held.get(), F_SETLEASE, F_UNLCK);
    });
    EXPECT_EQ(read_all(directory / "f"), bytes);
    EXPECT_TRUE(given_back);
  }
  std::signal(SIGIO, before);
}

/// Knows the directories that a power cut may take.
class DirectoriesNotSynced final : public lamina::testing::PassingStorage {
 public:
  using PassingStorage::PassingStorage;
  void create_directory(const Path& path) override {
    inner().create_directory(path);
    all.insert(path);
  }
  void remove_directory(const Path& path) override {
    inner().remove_directory(path);
    all.erase(path);
  }
  void sync_directory(const Path& directory) override {
    inner().sync_directory(directory);
    std::erase_if(all, [&](const Path& path) { return path.parent_path() == directory; });
  }

  std::set<Path> all;
};

TEST(CreateDirectories, MakesThemDurableThoughACallBeforeFailed) {
  const TemporaryDirectory directory;
  lamina::testing::FaultyStorage faulty;
  bool failed = true;
  for (std::size_t n = 0; failed; ++n) {
    SCOPED_TRACE(n);
    DirectoriesNotSynced storage(faulty);
    faulty.fail_at(n);
    failed = false;
    try {
      create_directories(directory / "a" / "b", storage);
    } catch (const StorageError&) {
      failed = true;
    }
    faulty.fail_never();
    create_directories(directory / "a" / "b", storage);
    EXPECT_TRUE(std::filesystem::is_directory(directory / "a" / "b"));
    EXPECT_TRUE(storage.all.empty());
    remove_all(directory / "a", posix());
  }
  EXPECT_GT(faulty.faults(), 5U);
}

TEST(PosixStorage, ReadingPastTheEndNamesTheFileAndThePlace) {
  const TemporaryDirectory directory;
  posix().create(directory / "short")->write_at(0, random_bytes(10));
  const auto file = posix().open(directory / "short");
  std::vector<std::byte> out(4);
  try {
    file->read_at(8, out);
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_EQ(std::string(error.what()), "'" + (directory / "short").string() +
                                             "' ends at byte 10 where 2 more bytes were expected.");
  }
}

TEST(PosixStorage, MissingFilesAreFileNotFound) {
  const TemporaryDirectory directory;
  try {
    (void)posix().open(directory / "none");
    FAIL();
  } catch (const FileNotFoundError& error) {
    EXPECT_EQ(error.code(), ENOENT);
    EXPECT_EQ(std::string(error.what()),
              "open failed for '" + (directory / "none").string() + "': No such file or directory");
  }
  EXPECT_THROW((void)posix().create(directory / "no" / "f"), FileNotFoundError);
  EXPECT_THROW(posix().remove(directory / "none"), FileNotFoundError);
  EXPECT_THROW(posix().rename(directory / "none", directory / "x"), FileNotFoundError);
  EXPECT_THROW((void)posix().list(directory / "none"), FileNotFoundError);
  EXPECT_THROW(posix().sync_directory(directory / "none"), FileNotFoundError);
}

TEST(PosixStorage, SaysWhyNamesCannotBeGiven) {
  const TemporaryDirectory directory;
  const Path file = directory / "f", other = directory / "g", none = directory / "none";
  posix().create(file)->close();
  posix().create(other)->close();
  const auto code_of = [](const auto& call) {
    try {
      call();
    } catch (const StorageError& error) {
      return error.code();
    }
    return 0;
  };
  EXPECT_EQ(code_of([&] { (void)posix().link(file, other); }), EEXIST);
  EXPECT_EQ(code_of([&] { (void)posix().link(none, directory / "h"); }), ENOENT);
  EXPECT_EQ(code_of([&] { (void)posix().exchange(file, directory / "none" / "h"); }), ENOENT);
  EXPECT_EQ(code_of([&] { posix().create_directory(file); }), EEXIST);
  EXPECT_EQ(code_of([&] { posix().create_directory(none / "h"); }), ENOENT);
  EXPECT_EQ(code_of([&] { posix().create_directory(directory.path()); }), 0);
  // That nobody can tell is not that there is none.
  EXPECT_EQ(code_of([&] { (void)posix().exists(directory / std::string(300, 'f')); }),
            ENAMETOOLONG);
}

// Where a server, or a quota, refuses only then what was written.
TEST(PosixStorage, SaysThatAFileCouldNotBeClosed) {
  const TemporaryDirectory directory;
  const Path path = std::filesystem::canonical(directory.path()) / "f";
  const auto file = posix().create(path);
  file->write_at(0, random_bytes(10));
  std::vector<int> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code code;
    if (std::filesystem::read_symlink(entry.path(), code) != path) continue;
    open.push_back(std::stoi(entry.path().filename().string()));
  }
  ASSERT_FALSE(open.empty());
  for (const int fd : open) ASSERT_EQ(::close(fd), 0);  // so that it cannot be closed again
  try {
    file->close();
    ADD_FAILURE() << "was closed";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EBADF);
    EXPECT_EQ(std::string(error.what()).find("close failed for '" + path.string() + "'"), 0U);
  }
}

TEST(PosixStorage, RefusesWhatIsNoRegularFileWithoutHanging) {
  const TemporaryDirectory directory;
  EXPECT_THROW((void)posix().open(directory.path()), StorageError);
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  EXPECT_THROW((void)posix().open(directory / "pipe"), StorageError);
}

TEST(PosixStorage, RenameReplacesAndASecondNameKeepsTheOldFile) {
  const TemporaryDirectory directory;
  const auto old_bytes = random_bytes(10), new_bytes = random_bytes(20);
  posix().create(directory / "f")->write_at(0, old_bytes);
  posix().create(directory / "g")->write_at(0, new_bytes);
  ASSERT_TRUE(posix().link(directory / "f", directory / "kept"));
  posix().rename(directory / "g", directory / "f");
  posix().sync_directory(directory.path());
  EXPECT_EQ(read_all(directory / "f"), new_bytes);
  EXPECT_EQ(read_all(directory / "kept"), old_bytes);
  EXPECT_FALSE(posix().exists(directory / "g"));
  EXPECT_EQ(posix().list(directory.path()), (std::vector<std::string>{"f", "kept"}));
  posix().remove(directory / "f");
  EXPECT_FALSE(posix().exists(directory / "f"));
  EXPECT_FALSE(posix().exists(directory / "kept" / "below a file"));
}

TEST(PosixStorage, AnOpenFileKnowsWhetherItsPathStillLeadsToIt) {
  const TemporaryDirectory directory;
  const auto bytes = random_bytes((std::size_t{1} << 20) + 5);
  for (const std::size_t size : {std::size_t{100}, bytes.size()}) {
    const auto make = [&](const Path& path) {
      posix().create(path)->write_at(0, std::span(bytes).first(size));
    };
    make(directory / "f");
    const auto first = posix().open(directory / "f");
    EXPECT_FALSE(first->is_replaced());
    ASSERT_TRUE(posix().link(directory / "f", directory / "second name"));
    EXPECT_FALSE(first->is_replaced());
    make(directory / "g");
    posix().rename(directory / "g", directory / "f");
    EXPECT_TRUE(first->is_replaced());
    EXPECT_FALSE(posix().open(directory / "second name")->is_replaced());
    const auto second = posix().open(directory / "f");
    EXPECT_FALSE(second->is_replaced());
    posix().remove(directory / "f");
    EXPECT_TRUE(second->is_replaced());
    // The old file comes back under its name, as when a save is undone.
    posix().rename(directory / "second name", directory / "f");
    EXPECT_FALSE(first->is_replaced());
    std::vector<std::byte> read(size);
    second->read_at(0, read);
    EXPECT_TRUE(std::equal(read.begin(), read.end(), bytes.begin()));
    std::ofstream(directory / "f", std::ios::app) << '!';
    EXPECT_TRUE(first->is_replaced());
    posix().remove(directory / "f");
  }
}

TEST(PosixStorage, LargeFilesLoseTheirNamesAtOnceAndTheirSpaceSoon) {
  const TemporaryDirectory directory;
  (void)wait_for_freed_space();
  const std::size_t before = OpenResources::now().descriptors;
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t freed = times_freed();
    for (const char* name : {"a", "b"}) {
      const auto file = posix().create(directory / name);
      file->resize(std::uint64_t{64} << 20);
      file->close();
      posix().remove(directory / name);
      EXPECT_FALSE(posix().exists(directory / name));
    }
    // Late enough, there is nothing left to wait for.
    EXPECT_TRUE(OpenResources::now().descriptors > before || times_freed() > freed);
    EXPECT_TRUE(wait_for_freed_space() || times_freed() > freed);
    EXPECT_FALSE(wait_for_freed_space());
    EXPECT_GT(times_freed(), freed);
    EXPECT_EQ(OpenResources::now().descriptors, before);
  }
  EXPECT_THROW(posix().remove(directory / "a"), FileNotFoundError);
}

TEST(PosixStorage, WhoWaitsForSpaceIsNotHeldUpByWhoRemovesMore) {
  const TemporaryDirectory directory;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::atomic<bool> enough = false;
  const std::jthread other([&] {
    while (!enough && std::chrono::steady_clock::now() < end) {
      posix().create(directory / "f")->close();
      std::filesystem::resize_file(directory / "f", std::uintmax_t{40} << 20);
      posix().remove(directory / "f");
    }
  });
  int waited = 0;
  while (waited < 100 && std::chrono::steady_clock::now() < end) waited += wait_for_freed_space();
  enough = true;
  EXPECT_EQ(waited, 100);
}

TEST(PosixStorage, RemovingOneNameOfALargeFileLeavesTheOther) {
  (void)wait_for_freed_space();
  const TemporaryDirectory directory;
  const auto bytes = random_bytes(1000);
  {
    const auto file = posix().create(directory / "f");
    file->resize(std::uint64_t{64} << 20);
    file->write_at(0, bytes);
  }
  ASSERT_TRUE(posix().link(directory / "f", directory / "other"));
  posix().remove(directory / "f");
  EXPECT_FALSE(wait_for_freed_space());
  std::vector<std::byte> read(bytes.size());
  posix().open(directory / "other")->read_at(0, read);
  EXPECT_EQ(read, bytes);
}

TEST(PosixStorage, ALockHasOneHolderAndLeavesNoFile) {
  const TemporaryDirectory directory;
  auto held = posix().try_lock(directory / "l");
  ASSERT_TRUE(held && held->exclusive());
  EXPECT_FALSE(posix().try_lock(directory / "l"));
  std::thread([&] { EXPECT_FALSE(posix().try_lock(directory / "l")); }).join();
  EXPECT_TRUE(posix().try_lock(directory / "another"));
  held.reset();
  EXPECT_TRUE(posix().list(directory.path()).empty());
  EXPECT_TRUE(posix().try_lock(directory / "l"));
  // What a killed holder leaves is nobody's.
  posix().create(directory / "l")->close();
  EXPECT_TRUE(posix().try_lock(directory / "l"));
  EXPECT_TRUE(posix().list(directory.path()).empty());
}

TEST(PosixStorage, ALockIsHeldByOneOfManyThreads) {
  const TemporaryDirectory directory;
  std::atomic<int> holders = 0, most = 0, turns = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int done = 0; done < 200;) {
          const auto lock = posix().try_lock(directory / "l");
          if (!lock) continue;
          most = std::max<int>(most, ++holders);
          ++done, ++turns;
          --holders;
        }
      });
    }
  }
  EXPECT_EQ(most, 1);
  EXPECT_EQ(turns, 800);
}

TEST(PosixStorage, ALockFollowsNoLink) {
  const TemporaryDirectory directory;
  std::filesystem::create_symlink(directory / "elsewhere", directory / "l");
  EXPECT_THROW((void)posix().try_lock(directory / "l"), StorageError);
  EXPECT_FALSE(posix().exists(directory / "elsewhere"));
}

TEST(PosixStorage, AFullDeviceIsReportedWithItsCode) {
  if (!std::filesystem::exists("/dev/full")) FAIL() << "no /dev/full on this machine";
  const auto file = posix().create("/dev/full");
  try {
    file->write_at(0, random_bytes(10));
    FAIL();
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), ENOSPC);
  }
}

}  // namespace
}  // namespace lamina::storage
