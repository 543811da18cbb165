// How many descriptors files have, and who else has them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/tensor.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <latch>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

#include "storage/posix_call.h"
#include "storage/posix_remove.h"
#include "storage/storage.h"
#include "tests/fakes/child_process.h"
#include "tests/fakes/open_resources.h"
#include "tests/fakes/small_disk.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::storage {
namespace {

using lamina::testing::OpenResources;
using lamina::testing::TemporaryDirectory;

constexpr std::size_t kMiB = std::size_t{1} << 20;

class Descriptors : public ::testing::Test {
 protected:
  Descriptors() { (void)wait_for_freed_space(); }

  /// Aligned to pages, as what is moved past the page cache.
  static Tensor bytes(std::size_t size) {
    return Tensor::empty(Shape{static_cast<std::int64_t>(size)}, DType::kUInt8);
  }
  Tensor random_bytes(std::size_t size) {
    Tensor out = bytes(size);
    for (std::byte& byte : out.bytes()) byte = static_cast<std::byte>(random_());
    return out;
  }
  /// A file of which nothing is in the page cache, where that can be.
  static void write(const Path& path, const Tensor& content) {
    const auto file = posix().create(path);
    file->write_at(0, content.bytes());
    file->sync();
    file->close();
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  static std::size_t count() { return OpenResources::now().descriptors; }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_;
};

TEST_F(Descriptors, OfAFileThatIsReadAreOneUntilALargeRead) {
  const Tensor content = random_bytes(4 * kMiB + 123);
  write(directory_ / "f", content);
  const std::size_t before = count();
  const auto file = posix().open(directory_ / "f");
  EXPECT_EQ(count(), before + 1);
  std::vector<std::byte> small(1000);
  file->read_at(77, small);
  EXPECT_TRUE(std::equal(small.begin(), small.end(), content.bytes().begin() + 77));
  EXPECT_EQ(count(), before + 1);
  Tensor all = bytes(content.bytes().size());
  file->read_at(0, all.bytes());
  EXPECT_TRUE(bitwise_equal(all, content));
  EXPECT_LE(count(), before + 2);
}

TEST_F(Descriptors, AreNotMoreForManyThreadsThatReadFirst) {
  const Tensor content = random_bytes(2 * kMiB);
  for (int round = 0; round < 8; ++round) {
    write(directory_ / "f", content);
    const std::size_t before = count();
    const auto file = posix().open(directory_ / "f");
    std::vector<Tensor> read;
    for (int t = 0; t < 6; ++t) read.push_back(bytes(content.bytes().size()));
    {
      std::latch together(static_cast<std::ptrdiff_t>(read.size()));
      std::vector<std::jthread> threads;
      for (Tensor& out : read) {
        threads.emplace_back([&file, &together, &out] {
          together.arrive_and_wait();
          file->read_at(0, out.bytes());
        });
      }
    }
    for (const Tensor& out : read) EXPECT_TRUE(bitwise_equal(out, content));
    EXPECT_LE(count(), before + 2);
  }
}

// The path leads to the new file when the old one is to be opened once more.
TEST_F(Descriptors, OfAFileThatIsReplacedBeforeItsFirstLargeReadGiveTheOldBytes) {
  const Tensor old = random_bytes(2 * kMiB), next = random_bytes(2 * kMiB);
  write(directory_ / "f", old);
  write(directory_ / "g", next);
  const auto file = posix().open(directory_ / "f");
  posix().rename(directory_ / "g", directory_ / "f");
  Tensor read = bytes(2 * kMiB);
  for (int i = 0; i < 2; ++i) {
    file->read_at(0, read.bytes());
    EXPECT_TRUE(bitwise_equal(read, old));
  }
  posix().open(directory_ / "f")->read_at(0, read.bytes());
  EXPECT_TRUE(bitwise_equal(read, next));
}

/// The process may have no more files open than this says while it lives.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t most) {
    ::getrlimit(RLIMIT_NOFILE, &limit_);
    const rlimit few{most, limit_.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) throw std::runtime_error("setrlimit");
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &limit_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit limit_{};
};

// A checkpoint may have more shards than that.
TEST_F(Descriptors, AreFewerThanFilesThatAreReadWhereThereAreFew) {
  constexpr std::size_t kFiles = 60, kSize = 2 * kMiB;
  std::vector<Tensor> contents;
  for (std::size_t i = 0; i < kFiles; ++i) {
    contents.push_back(random_bytes(i % 10 == 0 ? kSize : 1000));
    write(directory_ / std::to_string(i), contents.back());
  }
  const std::size_t before = count();
  const rlim_t most = before + 30;
  const FewDescriptors few(most);
  std::vector<std::unique_ptr<ReadableFile>> files;
  for (std::size_t i = 0; i < kFiles; ++i) {
    files.push_back(posix().open(directory_ / std::to_string(i)));
    EXPECT_EQ(files.back()->size(), contents[i].nbytes());
  }
  for (std::size_t round = 0; round < 2 * kFiles; ++round) {
    const std::size_t i = random_() % kFiles;
    Tensor read = bytes(contents[i].nbytes());
    if (round % 2 == 0) {
      files[i]->read_at(0, read.bytes());
    } else {
      files[i]->read_and_show(0, read.bytes(), [](std::span<const std::byte>) {});
    }
    ASSERT_TRUE(bitwise_equal(read, contents[i])) << i;
    ASSERT_LE(count(), before + most / 2);
  }
  files.clear();
  EXPECT_EQ(count(), before);
}

TEST_F(Descriptors, ThatAreNotHeldGiveNoBytesOfAnotherFile) {
  for (const char* name : {"held", "replaced", "changed", "removed"}) {
    write(directory_ / name, random_bytes(1000));
  }
  const rlim_t most = count() + 30;
  const FewDescriptors few(most);
  std::vector<std::unique_ptr<ReadableFile>> others;
  while (others.size() + 1 < most / 4) others.push_back(posix().open(directory_ / "held"));
  const auto held = posix().open(directory_ / "held");  // the last one
  const auto replaced = posix().open(directory_ / "replaced");
  const auto changed = posix().open(directory_ / "changed");
  const auto removed = posix().open(directory_ / "removed");
  for (const auto* file : {&held, &replaced, &changed, &removed}) {
    EXPECT_FALSE((*file)->is_replaced());
  }
  posix().rename(directory_ / "held", directory_ / "replaced");
  std::filesystem::resize_file(directory_ / "changed", 1001);
  posix().remove(directory_ / "removed");
  std::vector<std::byte> read(10);
  held->read_at(0, read);
  for (const auto* file : {&replaced, &changed, &removed}) {
    EXPECT_TRUE((*file)->is_replaced());
    try {
      (*file)->read_at(0, read);
      ADD_FAILURE() << (*file)->path() << " was read";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), ESTALE);
      EXPECT_NE(std::string(error.what()).find((*file)->path().string()), std::string::npos);
    }
  }
}

/// Of this process, of files in the directory, those without a name included.
int descriptors_in(const Path& directory) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code code;
    const std::string file = std::filesystem::read_symlink(entry.path(), code).string();
    found += file.starts_with(directory.string() + "/") ? 1 : 0;
  }
  return found;
}

// A process has a thousand, of which others want some.
TEST_F(Descriptors, OfRemovedFilesAreNotMoreForVeryMany) {
  const Path place = std::filesystem::canonical(directory_.path());
  std::vector<Path> files;
  for (std::size_t i = 0; i < 2 * kMostHeld; ++i) {
    files.push_back(place / std::to_string(i));
    posix().create(files.back())->close();
    std::filesystem::resize_file(files.back(), 40 * kMiB);
  }
  const std::uint64_t freed = times_freed();
  for (const Path& file : files) {
    posix().remove(file);
    // One more, if it is just being closed: it counts no longer.
    ASSERT_LE(descriptors_in(place), static_cast<int>(kMostHeld) + 1);
  }
  EXPECT_GT(times_freed(), freed);
  EXPECT_TRUE(std::filesystem::is_empty(place));
  (void)wait_for_freed_space();
  EXPECT_EQ(descriptors_in(place), 0);
}

TEST_F(Descriptors, OfRemovedFilesAreNotTheChilds) {
  const Path place = std::filesystem::canonical(directory_.path());
  for (int attempt = 0; attempt < 50; ++attempt) {
    for (const char* name : {"a", "b", "c"}) {
      const auto file = posix().create(place / name);
      file->resize(40 * kMiB);
      file->close();
      posix().remove(place / name);
    }
    const int before = descriptors_in(place);
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);
      ::_exit(descriptors_in(place));
    }
    const int after = descriptors_in(place);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    (void)wait_for_freed_space();
    EXPECT_EQ(descriptors_in(place), 0);
    if (before > 0 && after > 0) return;  // the parent had some meanwhile
  }
  FAIL() << "the files were closed before there was a child each time";
}

// A removed file that is held for a while has its inode, too.
TEST_F(Descriptors, OfRemovedFilesAreWaitedForWhereAFileSystemHasNoMoreFiles) {
  if (const std::string reason = lamina::testing::why_no_small_disk(); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const auto makes = [this](const std::function<void(const Path&)>& make) {
    using namespace lamina::testing;
    ::alarm(60);
    const Path place = directory_ / "disk";
    require(mount_small_disk(place, 128 << 10, ",nr_inodes=3") == "", "mounting");
    const auto fill = [&] {
      posix().create(place / "large")->close();
      std::filesystem::resize_file(place / "large", 40 * kMiB);
      posix().create(place / "other")->close();
    };
    fill();
    for (int round = 0; round < 3; ++round) {
      try {
        posix().remove(place / "large");
        make(place / "new");
        require(posix().exists(place / "new"), "it was not made");
        remove_all(place / "new", posix());
        remove_all(place / "other", posix());
        fill();
      } catch (const std::exception& error) {
        quit(error.what());
      }
    }
    quit("");
  };
  std::filesystem::create_directory(directory_ / "disk");
  const auto exits = ::testing::ExitedWithCode(0);
  EXPECT_EXIT(makes([](const Path& path) { posix().create(path)->close(); }), exits, "held");
  EXPECT_EXIT(makes([](const Path& path) { posix().create_directory(path); }), exits, "held");
  EXPECT_EXIT(
      makes([](const Path& path) { posix().create_like(path.parent_path() / "other", path); }),
      exits, "held");
  EXPECT_EXIT(makes([](const Path& path) {
                { const auto lock = posix().try_lock(path.parent_path() / "l"); }
                posix().create(path)->close();
              }),
              exits, "held");
}

}  // namespace
}  // namespace lamina::storage
