#include <fcntl.h>
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "storage/posix_call.h"
#include "storage/storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/storage/whole_files.h"

namespace lamina::storage {
namespace {

using lamina::testing::TemporaryDirectory;
using testkit::random_bytes;
using testkit::read_all;

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

TEST(PosixStorage, CreateTruncatesAndResizeCutsOrFillsWithZeros) {
  const TemporaryDirectory directory;
  posix().create(directory / "f")->write_at(0, random_bytes(1000));
  const auto file = posix().create(directory / "f");
  file->resize(100);
  EXPECT_EQ(read_all(directory / "f"), std::vector<std::byte>(100));
  file->resize(0);
  EXPECT_EQ(posix().open(directory / "f")->size(), 0u);
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
