#include "storage/link_or_copy.h"

#include <gtest/gtest.h>
#include <lamina/error.h>

#include <filesystem>
#include <random>

#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::storage {
namespace {

using lamina::testing::FaultyStorage;
using lamina::testing::TemporaryDirectory;

class LinkOrCopy : public ::testing::Test {
 protected:
  LinkOrCopy() {
    const unsigned seed = lamina::test::fresh_seed();
    RecordProperty("seed", static_cast<int>(seed));
    std::mt19937 random(seed);
    bytes_.resize((std::size_t{2} << 20) + random() % 1000);
    for (std::byte& b : bytes_) b = static_cast<std::byte>(random());
    posix().create(from_)->write_at(0, bytes_);
  }
  bool holds_the_bytes() {
    const auto file = posix().open(to_);
    std::vector<std::byte> found(file->size());
    file->read_at(0, found);
    return found == bytes_;
  }

  const TemporaryDirectory directory_;
  const Path from_ = directory_ / "from", to_ = directory_ / "to";
  std::vector<std::byte> bytes_;
};

TEST_F(LinkOrCopy, GivesASecondName) {
  link_or_copy(from_, to_, posix());
  EXPECT_TRUE(std::filesystem::equivalent(from_, to_));
}

TEST_F(LinkOrCopy, CopiesWhereFilesHaveOneName) {
  FaultyStorage storage;
  storage.forbid_links();
  constexpr auto kPrivate =
      std::filesystem::perms::owner_read | std::filesystem::perms::owner_write;
  std::filesystem::permissions(from_, kPrivate);
  std::size_t n = 0;
  for (;; ++n) {
    storage.fail_at(n);
    const std::size_t before = storage.faults();
    try {
      link_or_copy(from_, to_, storage);
    } catch (const StorageError&) {
      std::filesystem::remove(to_);  // a part of a copy
      continue;
    }
    ASSERT_EQ(storage.faults(), before) << "what failed was not said";
    break;
  }
  EXPECT_EQ(n, 12U);  // link, open, create_like, create, thrice read and write, sync, close
  EXPECT_TRUE(holds_the_bytes());
  EXPECT_EQ(std::filesystem::status(to_).permissions(), kPrivate);
  EXPECT_FALSE(std::filesystem::equivalent(from_, to_));
}

}  // namespace
}  // namespace lamina::storage
