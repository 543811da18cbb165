// Files made like others: who may do what with them.
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

#include "storage/storage.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/nobody.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::storage {
namespace {

using lamina::testing::Nobody;
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

struct stat status_of(const Path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status;
}

constexpr const char *kOfFile = "system.posix_acl_access",
                     *kOfNewFiles = "system.posix_acl_default";

/// An access list (acl(5)) as the kernel takes it: what the owner, one more user, the group,
/// anybody of these two at most, and all others may do.
std::vector<std::byte> access_list(unsigned owner, unsigned user, unsigned group, unsigned most,
                                   unsigned others) {
  constexpr std::uint32_t kVersion = 2, kNobody = 0xffffffff, kUser = 12'345;
  struct Entry {
    std::uint16_t tag, rights;
    std::uint32_t id;
  };
  const auto entry = [](unsigned tag, unsigned rights, std::uint32_t id) {
    return Entry{static_cast<std::uint16_t>(tag), static_cast<std::uint16_t>(rights), id};
  };
  const Entry entries[] = {entry(0x01, owner, kNobody), entry(0x02, user, kUser),
                           entry(0x04, group, kNobody), entry(0x10, most, kNobody),
                           entry(0x20, others, kNobody)};
  std::vector<std::byte> out(sizeof kVersion + sizeof entries);
  std::memcpy(out.data(), &kVersion, sizeof kVersion);
  std::memcpy(out.data() + sizeof kVersion, entries, sizeof entries);
  return out;
}

bool set_list(const Path& path, const char* kind, const std::vector<std::byte>& list) {
  return ::setxattr(path.c_str(), kind, list.data(), list.size(), 0) == 0;
}

/// Empty: none.
std::vector<std::byte> list_of(const Path& path) {
  std::vector<std::byte> out(1000);
  const ssize_t size = ::getxattr(path.c_str(), kOfFile, out.data(), out.size());
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return out;
}

TEST(CreateLike, LetsTheGroupOfTheOtherAloneDoMore) {
  const TemporaryDirectory directory;
  posix().create(directory / "like")->close();
  const gid_t group = ::geteuid() == 0 ? 12'345 : ::getegid();
  ASSERT_EQ(::chown((directory / "like").c_str(), ::geteuid(), group), 0);
  ASSERT_EQ(::chmod((directory / "like").c_str(), 0640), 0);
  posix().create_like(directory / "like", directory / "f");
  struct stat made {};
  ASSERT_EQ(::stat((directory / "f").c_str(), &made), 0);
  EXPECT_EQ(made.st_gid, group);
  EXPECT_EQ(made.st_mode & 0777U, 0640U);
}

TEST(CreateLike, LetsOthersDoWhatTheyMayDoWithTheOther) {
  const TemporaryDirectory directory;
  const auto bytes = random_bytes(100);
  const mode_t before = ::umask(077);
  const auto mode_of = [](const Path& path) {
    return static_cast<unsigned>(std::filesystem::status(path).permissions());
  };
  posix().create(directory / "like")->close();
  for (const unsigned mode : {0600U, 0640U, 0666U, 0604U, 0755U, 0644U}) {
    std::filesystem::permissions(directory / "like", static_cast<std::filesystem::perms>(mode));
    posix().create_like(directory / "like", directory / "f");
    EXPECT_EQ(posix().open(directory / "f")->size(), 0U);
    posix().create(directory / "f")->write_at(0, bytes);
    EXPECT_EQ(mode_of(directory / "f"), (mode & 0066U) | 0600U) << std::oct << mode;
    EXPECT_EQ(read_all(directory / "f"), bytes);
    EXPECT_THROW(posix().create_like(directory / "like", directory / "f"), StorageError);
    posix().remove(directory / "f");
  }
  EXPECT_THROW(posix().create_like(directory / "none", directory / "f"), FileNotFoundError);
  try {
    posix().create_like(directory.path(), directory / "f");
    ADD_FAILURE() << "was made";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EISDIR);
  }
  EXPECT_FALSE(posix().exists(directory / "f"));
  ::umask(before);
}

// The bits of its group say the most that its list gives to anybody: its group may do nothing.
TEST(CreateLike, LetsThoseOfTheOthersAccessListDoMoreAndNotItsGroup) {
  const TemporaryDirectory directory;
  posix().create(directory / "like")->close();
  if (!set_list(directory / "like", kOfFile, access_list(7, 6, 0, 6, 0))) {
    GTEST_SKIP() << "no access lists in " << directory.path();
  }
  ASSERT_EQ(status_of(directory / "like").st_mode & 0777U, 0760U);
  posix().create_like(directory / "like", directory / "f");
  EXPECT_EQ(list_of(directory / "f"), access_list(6, 6, 0, 6, 0));
  EXPECT_EQ(status_of(directory / "f").st_mode & 0777U, 0660U);
  posix().create(directory / "f")->close();
  EXPECT_EQ(list_of(directory / "f"), access_list(6, 6, 0, 6, 0));
}

TEST(CreateLike, LetsNobodyDoMoreWhomOnlyTheDirectoryHasForNewFiles) {
  const TemporaryDirectory directory;
  posix().create(directory / "like")->close();
  ASSERT_EQ(::chmod((directory / "like").c_str(), 0640), 0);
  if (!set_list(directory.path(), kOfNewFiles, access_list(7, 6, 6, 7, 0))) {
    GTEST_SKIP() << "no access lists in " << directory.path();
  }
  posix().create(directory / "usual")->close();
  EXPECT_FALSE(list_of(directory / "usual").empty());
  posix().create_like(directory / "like", directory / "f");
  EXPECT_EQ(list_of(directory / "f"), std::vector<std::byte>());
  EXPECT_EQ(status_of(directory / "f").st_mode & 0777U, 0640U);
}

TEST(CreateLike, RefusesWhatMayNotBeWrittenTo) {
  const TemporaryDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  const Nobody nobody;
  if (::geteuid() == 0) GTEST_SKIP() << "root may do anything, and must stay root here";
  posix().create(directory / "like")->close();
  for (const unsigned mode : {0444U, 0466U, 0000U, 0577U}) {
    std::filesystem::permissions(directory / "like", static_cast<std::filesystem::perms>(mode));
    try {
      posix().create_like(directory / "like", directory / "f");
      ADD_FAILURE() << "was made like one of mode " << std::oct << mode;
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), EACCES);
      EXPECT_NE(std::string(error.what()).find("'" + (directory / "like").string() + "'"),
                std::string::npos);
    }
    EXPECT_FALSE(posix().exists(directory / "f"));
  }
  std::filesystem::permissions(directory / "like", static_cast<std::filesystem::perms>(0200U));
  posix().create_like(directory / "like", directory / "f");
}

TEST(CreateLike, RefusesWhatIsNoFile) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  try {
    posix().create_like(directory / "pipe", directory / "f");
    ADD_FAILURE() << "was made";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EINVAL);
    EXPECT_NE(std::string(error.what()).find("'" + (directory / "pipe").string() + "'"),
              std::string::npos);
  }
  EXPECT_FALSE(posix().exists(directory / "f"));
}

}  // namespace
}  // namespace lamina::storage
