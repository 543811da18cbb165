// Looks at files that are interrupted, or find what another machine has removed, and file systems
// that give no second name.
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "storage/storage.h"
#include "storage/text_file.h"
#include "tests/fakes/nobody.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/storage/interfering_calls.h"

namespace lamina::storage {
namespace {

using namespace testkit;
using lamina::testing::Nobody;
using lamina::testing::PassingStorage;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A process that counts its time by signals, or is stopped and goes on, lost a save to one.
TEST(LookingCalls, AreRepeatedWhenASignalComes) {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "b"}) write_text(directory / name, name, posix());
  const auto after_two = [](const auto& look) {
    interrupted_looks = 2;
    const auto seen = look();
    EXPECT_EQ(interrupted_looks.exchange(0), 0);
    return seen;
  };
  EXPECT_TRUE(after_two([&] { return posix().exists(directory / "a"); }));
  EXPECT_FALSE(after_two([&] { return posix().exists(directory / "c"); }));
  EXPECT_THAT(after_two([&] { return posix().list(directory.path()); }), ElementsAre("a", "b"));
  EXPECT_FALSE(after_two([&] { return posix().is_write_protected(directory / "a"); }));
  if (posix().exchange(directory / "a", directory / "b")) {
    EXPECT_TRUE(after_two([&] { return posix().exchange(directory / "a", directory / "b"); }));
    EXPECT_EQ(read_text(directory / "a", posix(), 10, "text"), "a");
  }
}

TEST(LookingCalls, TellWhatMayNotBeWrittenTo) {
  const TemporaryDirectory directory;
  write_text(directory / "a", "a", posix());
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  EXPECT_FALSE(posix().is_write_protected(directory / "a"));
  EXPECT_FALSE(posix().is_write_protected(directory / "none"));
  ASSERT_EQ(::chmod((directory / "a").c_str(), 0444), 0);
  const Nobody nobody;
  if (::geteuid() == 0) GTEST_SKIP() << "root may do anything, and must stay root here";
  EXPECT_TRUE(posix().is_write_protected(directory / "a"));
  EXPECT_FALSE(posix().is_write_protected(directory / "none"));
}

TEST(LookingCalls, TakeAFileThatAnotherMachineHasRemovedForReplaced) {
  const TemporaryDirectory directory;
  write_text(directory / "a", "a", posix());
  const auto file = posix().open(directory / "a");
  EXPECT_FALSE(file->is_replaced());
  stale_files = 1;
  EXPECT_TRUE(file->is_replaced());
  EXPECT_EQ(stale_files.exchange(0), 0);
  EXPECT_FALSE(file->is_replaced());
}

// EXDEV is what a directory says whose quota is that of another project than the file's: each save
// over a file that was there before the quota failed.
TEST(LookingCalls, FindNoSecondNamesWhereThereAreNone) {
  const TemporaryDirectory directory;
  write_text(directory / "a", "a", posix());
  for (const int code : {EPERM, EOPNOTSUPP, ENOSYS, EMLINK, EXDEV}) {
    linking_fails_with = code;
    EXPECT_FALSE(posix().link(directory / "a", directory / "b")) << code;
  }
  for (const int code : {EACCES, EIO, EROFS}) {
    linking_fails_with = code;
    EXPECT_THROW((void)posix().link(directory / "a", directory / "b"), StorageError) << code;
  }
  linking_fails_with = 0;
  EXPECT_TRUE(posix().link(directory / "a", directory / "b"));
  EXPECT_EQ(read_text(directory / "b", posix(), 10, "text"), "a");
}

/// Of the files that it opens first, so many cannot be read: another machine replaced them.
class Replaced final : public PassingStorage {
 public:
  explicit Replaced(int files) : left_(files) {}
  std::unique_ptr<ReadableFile> open(const Path& path) override {
    ++opened_;
    auto file = inner().open(path);
    if (left_ == 0) return file;
    --left_;
    return std::make_unique<Stale>(std::move(file));
  }
  [[nodiscard]] int opened() const { return opened_; }

 private:
  struct Stale final : ReadableFile {
    explicit Stale(std::unique_ptr<ReadableFile> file) : inner(std::move(file)) {}
    [[nodiscard]] const Path& path() const override { return inner->path(); }
    [[nodiscard]] std::uint64_t size() const override { return inner->size(); }
    [[nodiscard]] bool is_replaced() const override { return true; }
    void read_at(std::uint64_t, std::span<std::byte>) const override {
      throw StorageError("pread failed for '" + path().string() + "': Stale file handle", ESTALE);
    }
    std::unique_ptr<ReadableFile> inner;
  };

  int left_, opened_ = 0;
};

TEST(ReadText, ReadsWhatIsThereNowWhereAnotherMachineHasReplacedTheFile) {
  const TemporaryDirectory directory;
  write_text(directory / "a", "text", posix());
  Replaced twice(2);
  EXPECT_EQ(read_text(directory / "a", twice, 10, "text"), "text");
  EXPECT_EQ(twice.opened(), 3);
  Replaced always(1'000'000);
  try {
    (void)read_text(directory / "a", always, 10, "text");
    ADD_FAILURE() << "was read";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), ESTALE);
    EXPECT_THAT(error.what(), HasSubstr((directory / "a").string()));
  }
  EXPECT_LT(always.opened(), 1000);
  EXPECT_THROW((void)read_text(directory / "none", twice, 10, "text"), FileNotFoundError);
}

}  // namespace
}  // namespace lamina::storage
