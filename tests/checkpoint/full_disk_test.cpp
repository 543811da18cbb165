// A disk that is full for real. In a child, because limits and mounts are a process's own.
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/child_process.h"
#include "tests/fakes/small_disk.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CrashScene;
using lamina::testing::quit;
using lamina::testing::require;
using lamina::testing::TemporaryDirectory;

/// Saves over a good checkpoint with room for ever more bytes, until the save succeeds. `allow(n)`
/// makes room for n bytes, `allow_all` for all.
template <class Allow, class AllowAll>
void save_until_it_fits(const std::filesystem::path& directory, const char* name,
                        std::optional<double> limit, const Allow& allow,
                        const AllowAll& allow_all) {
  std::mt19937 random(lamina::test::fresh_seed());
  const CrashScene scene(random, (directory / name).string(), 2);
  scene.save(0, limit, storage::posix());
  const auto files = storage::posix().list(directory);
  int failures = 0;
  for (std::size_t room = 0;; room += 1000) {
    allow(room);
    bool failed = false;
    try {
      scene.save(1, limit, storage::posix());
    } catch (const StorageError& error) {
      failed = true;
      require(error.code() == ENOSPC || error.code() == EFBIG, error.what());
      require(std::string(error.what()).find(directory.string()) != std::string::npos,
              error.what());
    }
    allow_all();
    require(scene.load(storage::posix()) == (failed ? 0 : 1), "another checkpoint than expected");
    require(storage::posix().list(directory) == files, "other files than before");
    if (!failed) break;
    ++failures;
  }
  require(failures > 0, "never full");
  scene.save(0, limit, storage::posix());
  require(scene.load(storage::posix()) == 0, "the next save");
}

/// The largest file may be of so many bytes: what a quota does, and needs no rights.
void set_file_limit(rlim_t bytes) {
  rlimit limit{};
  require(::getrlimit(RLIMIT_FSIZE, &limit) == 0, "getrlimit");
  limit.rlim_cur = std::min(bytes, limit.rlim_max);
  require(::setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
}

[[noreturn]] void with_limited_files(const char* name, std::optional<double> limit) {
  ::signal(SIGXFSZ, SIG_IGN);
  const TemporaryDirectory directory(lamina::testing::memory_directory());
  save_until_it_fits(
      directory.path(), name, limit, [](std::size_t room) { set_file_limit(room); },
      [] { set_file_limit(RLIM_INFINITY); });
  std::filesystem::remove_all(directory.path());
  quit("");
}

/// A file that takes what room there is, but for some pages.
void fill(const std::filesystem::path& file, std::size_t room) {
  const auto ballast = storage::posix().create(file);
  std::uint64_t size = std::filesystem::space(file.parent_path()).available;
  room = room / 1000 * 4096;
  if (size > room) ballast->resize(size - room);
  ballast->close();
}

[[noreturn]] void on_a_small_disk(const char* name, std::optional<double> limit) {
  const TemporaryDirectory directory;
  const std::string failure = lamina::testing::mount_small_disk(directory.path(), 256);
  require(failure.empty(), failure);
  const auto ballast = directory / "ballast";
  std::filesystem::create_directory(directory / "d");
  save_until_it_fits(
      directory / "d", name, limit, [&](std::size_t room) { fill(ballast, room); },
      [&] { std::filesystem::remove(ballast); });
  ::umount(directory.path().c_str());
  std::filesystem::remove_all(directory.path());
  quit("");
}

class FullDisk : public ::testing::TestWithParam<std::pair<const char*, std::optional<double>>> {
 protected:
  // A child that begins anew: it saves with threads of its own, which ThreadSanitizer allows no
  // child of a process that had some.
  FullDisk() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_P(FullDisk, LeavesTheOldCheckpointAndNothingElse) {
  const std::string reason = lamina::testing::why_no_small_disk();
  if (!reason.empty()) GTEST_SKIP() << "no tmpfs can be mounted here: " << reason;
  const auto& [name, limit] = GetParam();
  EXPECT_EXIT(on_a_small_disk(name, limit), ::testing::ExitedWithCode(0), "held");
}

TEST_P(FullDisk, OfFilesThatMayNotGrowLeavesTheOldCheckpointAndNothingElse) {
  const auto& [name, limit] = GetParam();
  EXPECT_EXIT(with_limited_files(name, limit), ::testing::ExitedWithCode(0), "held");
}

INSTANTIATE_TEST_SUITE_P(Ways, FullDisk,
                         ::testing::Values(std::pair("m.weights.h5", std::optional<double>()),
                                           std::pair("m.weights.json",
                                                     std::optional<double>(610))));

}  // namespace
}  // namespace lamina::checkpoint
