// Calls that move a part of the bytes, are interrupted, find the disk full, or no way past the page
// cache: what a kernel may do at any time, and hardly ever does.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <lamina/tensor.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/posix_call.h"
#include "storage/posix_remove.h"
#include "storage/storage.h"
#include "tests/fakes/small_disk.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"
#include "tests/storage/interfering_calls.h"

namespace lamina::storage {
namespace {

using namespace testkit;
using lamina::testing::TemporaryDirectory;
using ::testing::HasSubstr;

constexpr std::size_t kMiB = std::size_t{1} << 20;

class Calls : public ::testing::Test {
 protected:
  /// Aligned to pages, as what is moved past the page cache.
  Tensor random_bytes(std::size_t size) {
    Tensor out = Tensor::empty(Shape{static_cast<std::int64_t>(size)}, DType::kUInt8);
    for (std::byte& byte : out.bytes()) byte = static_cast<std::byte>(random_());
    return out;
  }
  /// A third of the calls is interrupted, a third moves whatever it likes.
  Verdict unreliable() {
    return [this](std::size_t size, bool) -> ssize_t {
      ++calls_;
      const unsigned way = random_() % 3;
      if (way == 0) return -EINTR;
      return static_cast<ssize_t>(way == 1 ? 1 + random_() % size : size);
    };
  }
  void write(const Path& path, std::span<const std::byte> bytes, std::uint64_t offset = 0) {
    const auto file = posix().create(path);
    file->write_at(offset, bytes);
    file->close();
  }
  /// Writes random bytes to a file of its own and reads them back when none is in the page cache,
  /// so that both may go past it, and once more through read_and_show.
  void expect_back(const Path& path) {
    const std::size_t size = 2 * kMiB + 1 + random_() % kMiB;
    const std::uint64_t offset = 4096 * (random_() % 3);
    SCOPED_TRACE(std::to_string(size) + " bytes at " + std::to_string(offset));
    const Tensor bytes = random_bytes(size);
    write(path, bytes.bytes(), offset);
    Tensor read = random_bytes(size), shown = random_bytes(size);
    drop_from_cache(path);
    posix().open(path)->read_at(offset, read.bytes());
    EXPECT_TRUE(bitwise_equal(read, bytes));
    drop_from_cache(path);
    std::size_t done = 0;
    read = random_bytes(size);
    posix().open(path)->read_and_show(offset, read.bytes(), [&](auto part) {
      std::copy(part.begin(), part.end(), shown.bytes().begin() + static_cast<long>(done));
      done += part.size();
    });
    EXPECT_EQ(done, size);
    EXPECT_TRUE(bitwise_equal(read, bytes));
    EXPECT_TRUE(bitwise_equal(shown, bytes));
  }
  /// How many calls went past the page cache meanwhile.
  int calls_past_cache(const std::function<void()>& work) {
    std::atomic<int> count = 0;
    const Interference counting([&](std::size_t size, bool direct) -> ssize_t {
      count += direct ? 1 : 0;
      return static_cast<ssize_t>(size);
    });
    work();
    return count;
  }
  void drop_from_cache(const Path& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::fsync(file.get()), 0);
    ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  /// Makes a file of 40 MiB and removes it: its space comes back after a pause.
  void remove_large(const Path& path) {
    const auto file = posix().create(path);
    file->resize(40 * kMiB);
    file->close();
    posix().remove(path);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  std::size_t calls_ = 0;
  TemporaryDirectory directory_;
};

TEST_F(Calls, ThatAreInterruptedOrCutShortMoveEveryByte) {
  for (int round = 0; round < 60; ++round) {
    const std::size_t size = round % 3 == 0   ? 1 + random_() % 5'000
                             : round % 3 == 1 ? 2 * kMiB
                                              : kMiB + random_() % kMiB;
    const std::uint64_t offset = random_() % 2 == 0 ? 4096 * (random_() % 3) : random_() % 10'000;
    SCOPED_TRACE(std::to_string(size) + " bytes at " + std::to_string(offset));
    const Tensor bytes = random_bytes(size);
    calls_ = 0;
    {
      const Interference interference(unreliable());
      write(directory_ / "f", bytes.bytes(), offset);
    }
    EXPECT_GT(calls_, 0u);
    Tensor read = random_bytes(size);
    posix().open(directory_ / "f")->read_at(offset, read.bytes());
    EXPECT_TRUE(bitwise_equal(read, bytes));

    read = random_bytes(size);
    Tensor shown = Tensor::empty(read.shape(), read.dtype());
    calls_ = 0;
    {
      const Interference interference(unreliable());
      std::size_t done = 0;
      posix().open(directory_ / "f")->read_and_show(offset, read.bytes(), [&](auto part) {
        std::copy(part.begin(), part.end(), shown.bytes().begin() + static_cast<long>(done));
        done += part.size();
      });
      EXPECT_EQ(done, size);
    }
    EXPECT_GT(calls_, 0u);
    EXPECT_TRUE(bitwise_equal(read, bytes));
    EXPECT_TRUE(bitwise_equal(shown, bytes));
    if (HasFailure()) break;
  }
}

TEST_F(Calls, ThatFailAfterAPartAreReportedWithTheirCode) {
  const Tensor bytes = random_bytes(2 * kMiB);
  write(directory_ / "g", bytes.bytes());
  (void)wait_for_freed_space();
  for (const int code : {EIO, ENOSPC, EDQUOT, EFBIG}) {
    const Interference interference([&](std::size_t size, bool) -> ssize_t {
      return calls_++ % 2 == 0 ? static_cast<ssize_t>(size / 2) : -code;
    });
    for (const bool writes : {true, false}) {
      calls_ = 0;
      try {
        if (writes) {
          write(directory_ / "f", bytes.bytes());
        } else {
          Tensor read = random_bytes(2 * kMiB);
          posix().open(directory_ / "g")->read_at(0, read.bytes());
        }
        ADD_FAILURE() << "was done";
      } catch (const StorageError& error) {
        EXPECT_EQ(error.code(), code);
        EXPECT_THAT(error.what(), HasSubstr(std::string(writes ? "pwrite" : "pread") +
                                            " failed for '" + directory_.path().string()));
      }
    }
  }
}

TEST_F(Calls, ThatWriteNothingAtAllEnd) {
  const Interference interference([](std::size_t, bool) -> ssize_t { return 0; });
  EXPECT_THROW(write(directory_ / "f", random_bytes(10).bytes()), StorageError);
  EXPECT_THROW(write(directory_ / "f", random_bytes(kMiB).bytes()), StorageError);
}

TEST_F(Calls, GoThroughThePageCacheWhereNoFileCanBeOpenedPastIt) {
  const int direct = calls_past_cache([&] { expect_back(directory_ / "f"); });
  if (direct == 0) GTEST_SKIP() << "nothing goes past the page cache on this file system";
  const NothingOpensDirectly nothing;
  EXPECT_EQ(calls_past_cache([&] { expect_back(directory_ / "g"); }), 0);
  EXPECT_EQ(nothing.refused(), static_cast<std::size_t>(direct))
      << "once for the file that is made, and each time that it is read";
}

TEST_F(Calls, GoPastThePageCacheBetweenTheEndsOfWhatBeginsWithinAPage) {
  const std::size_t size = 3 * kMiB + random_() % kMiB, at = 1 + random_() % 4095;
  const std::uint64_t offset = 4096 * (random_() % 3) + at;
  SCOPED_TRACE(std::to_string(size) + " bytes at " + std::to_string(offset));
  const Tensor memory = random_bytes(at + size);
  const auto bytes = std::span(memory.bytes()).subspan(at);
  const int direct = calls_past_cache([&] { write(directory_ / "f", bytes, offset); });
  std::vector<std::byte> read(size);
  posix().open(directory_ / "f")->read_at(offset, read);
  EXPECT_TRUE(std::equal(read.begin(), read.end(), bytes.begin()));
  if (calls_past_cache([&] { expect_back(directory_ / "g"); }) == 0) {
    GTEST_SKIP() << "nothing goes past the page cache on this file system";
  }
  EXPECT_EQ(direct, 1);
}

// Of XFS, say: what lies within a block goes through the cache, what is whole ones past it.
TEST_F(Calls, KeepToTheBlocksOfTheFileSystemPastThePageCache) {
  if (calls_past_cache([&] { expect_back(directory_ / "f"); }) == 0) {
    GTEST_SKIP() << "nothing goes past the page cache on this file system";
  }
  for (const std::uint32_t block : {8192U, 16384U, 65536U}) {
    SCOPED_TRACE(block);
    const LargeBlocks blocks(block);
    expect_back(directory_ / "f");
    EXPECT_GT(blocks.moved(), 0U);
    EXPECT_EQ(blocks.refused(), 0U);
    const std::size_t before = blocks.moved();
    const std::uint64_t offset = 4096 * (1 + random_() % 15);
    const Tensor bytes = random_bytes(2 * kMiB);
    write(directory_ / "g", bytes.bytes(), offset);
    EXPECT_EQ(blocks.moved(), before + 1);
    EXPECT_EQ(blocks.refused(), 0U);
    Tensor read = random_bytes(2 * kMiB);
    posix().open(directory_ / "g")->read_at(offset, read.bytes());
    EXPECT_TRUE(bitwise_equal(read, bytes));
  }
}

// As where a disk wants another alignment: at the first call, or after some bytes went well.
TEST_F(Calls, GoThroughThePageCacheWhereACallPastItIsRefused) {
  const int direct = calls_past_cache([&] { expect_back(directory_ / "f"); });
  if (direct == 0) GTEST_SKIP() << "nothing goes past the page cache on this file system";
  for (const bool some_go_well : {false, true}) {
    SCOPED_TRACE(some_go_well);
    std::atomic<int> tried = 0, refused = 0;
    {
      const Interference refusing([&](std::size_t size, bool past_cache) -> ssize_t {
        if (!past_cache) return static_cast<ssize_t>(size);
        if (some_go_well && tried++ % 2 == 0) return static_cast<ssize_t>(kMiB);
        ++refused;
        return -EINVAL;
      });
      expect_back(directory_ / "g");
    }
    EXPECT_EQ(refused.load(), direct) << "once for what is written, and for each way to read";
  }
}

// The disk is full once, and so it stays unless the removed file's space was waited for, by this
// writer or by another that was faster. The file is removed during the call: the space of one that
// was removed before may be back when the call begins.
TEST_F(Calls, ThatFindTheDiskFullWaitForTheSpaceOfRemovedFiles) {
  (void)wait_for_freed_space();
  for (const int code : {ENOSPC, EDQUOT}) {
    for (const std::size_t size : {std::size_t{10}, 2 * kMiB}) {
      SCOPED_TRACE(size);
      const Tensor bytes = random_bytes(size);
      const auto write_when_full_once = [&](const std::function<void()>& meanwhile) {
        calls_ = 0;
        const Interference interference([&](std::size_t wanted, bool) -> ssize_t {
          if (calls_++ > 0) return static_cast<ssize_t>(wanted);
          meanwhile();
          return -code;
        });
        write(directory_ / "f", bytes.bytes());
      };
      EXPECT_THROW(write_when_full_once([] {}), StorageError);
      for (const bool other_waits : {false, true}) {
        SCOPED_TRACE(other_waits);
        write_when_full_once([&] {
          remove_large(directory_ / "large");
          if (other_waits) (void)wait_for_freed_space();
        });
        EXPECT_FALSE(wait_for_freed_space());  // nothing is left to wait for
        Tensor read = random_bytes(size);
        posix().open(directory_ / "f")->read_at(0, read.bytes());
        EXPECT_TRUE(bitwise_equal(read, bytes));
      }
    }
  }
}

// What is held there stays in its directory under another name, so that this cannot be removed.
TEST_F(Calls, OnNfsHoldNoFileThatIsRemoved) {
  (void)wait_for_freed_space();
  for (const bool nfs : {true, false}) {
    std::optional<EverythingOnNfs> there;
    if (nfs) there.emplace();
    const std::uint64_t freed = times_freed();
    remove_large(directory_ / "large");
    EXPECT_EQ(wait_for_freed_space() || times_freed() != freed, !nfs);
    EXPECT_FALSE(posix().exists(directory_ / "large"));
  }
}

// A file system may begin anew after each signal, as tmpfs did, and never be done.
TEST_F(Calls, ThatReserveSpaceAndAreAlwaysInterruptedAreGivenUp) {
  const Tensor bytes = random_bytes(2 * kMiB);
  const SignalsBeforeSpaceIsReserved signals;
  const auto file = posix().create(directory_ / "f");
  file->resize(3 * kMiB);
  file->write_at(kMiB, bytes.bytes());
  file->close();
  EXPECT_GT(signals.count(), 1);
  EXPECT_LT(signals.count(), SignalsBeforeSpaceIsReserved::kVeryMany);
  EXPECT_EQ(std::filesystem::file_size(directory_ / "f"), 3 * kMiB);
  Tensor read = random_bytes(2 * kMiB);
  posix().open(directory_ / "f")->read_at(kMiB, read.bytes());
  EXPECT_TRUE(bitwise_equal(read, bytes));
}

// As where a container may not make the call, or a file system takes it for one of another kind.
TEST_F(Calls, ThatCannotReserveSpaceLeaveItToTheWritesUnlessTheDiskIsWhatIsWrong) {
  const Tensor bytes = random_bytes(2 * kMiB);
  for (const int code : {EOPNOTSUPP, ENOSYS, EPERM, EINVAL, ENODEV, ENOSPC, EDQUOT, EFBIG, EIO}) {
    SCOPED_TRACE(code);
    const bool of_the_disk = code == ENOSPC || code == EDQUOT || code == EFBIG || code == EIO;
    reserving_fails_with = code;
    int thrown = 0;
    try {
      const auto file = posix().create(directory_ / "f");
      file->resize(2 * kMiB);
      file->write_at(0, bytes.bytes());
      file->close();
    } catch (const StorageError& error) {
      thrown = error.code();
    }
    reserving_fails_with = 0;
    EXPECT_EQ(thrown, of_the_disk ? code : 0);
    if (of_the_disk) continue;
    Tensor read = random_bytes(2 * kMiB);
    posix().open(directory_ / "f")->read_at(0, read.bytes());
    EXPECT_TRUE(bitwise_equal(read, bytes));
  }
}

[[noreturn]] void fill_a_small_disk_twice(const Path& directory) {
  std::string failure = lamina::testing::mount_small_disk(directory, 48 << 10);
  try {
    const Tensor bytes = Tensor::empty(Shape{40 << 20}, DType::kUInt8);
    for (int round = 0; failure.empty() && round < 2; ++round) {
      const auto file = posix().create(directory / "f");
      file->write_at(0, bytes.bytes());  // without resize, which reserves
      file->close();
      posix().remove(directory / "f");
    }
  } catch (const StorageError& error) {
    failure = error.what();
  }
  std::fprintf(stderr, "%s", failure.empty() ? "written" : failure.c_str());
  std::_Exit(failure.empty() ? 0 : 1);
}

TEST_F(Calls, OnADiskThatHasRoomForOneFileWriteASecondWhenTheFirstIsRemoved) {
  const std::string reason = lamina::testing::why_no_small_disk();
  if (!reason.empty()) GTEST_SKIP() << "no tmpfs can be mounted here: " << reason;
  EXPECT_EXIT(fill_a_small_disk_twice(directory_.path()), ::testing::ExitedWithCode(0), "written");
}

}  // namespace
}  // namespace lamina::storage
