// What is damage, and what only says that nobody can tell just now.
#include "checkpoint/verify/soundness.h"

#include <gmock/gmock.h>
#include <lamina/error.h>

#include <array>
#include <cerrno>

#include "checkpoint/verify/verify.h"
#include "tests/checkpoint/sealed_files.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::FaultyStorage;
using lamina::testing::sealed_tree;
using lamina::testing::SealedFiles;
using lamina::testing::text_of;
using lamina::testing::write_text;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Damage : public ::testing::TestWithParam<bool> {
 protected:
  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  const SealedFiles files_{sealed_tree(random_), GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Of, Damage, ::testing::Bool(), [](const auto& info) {
  return info.param ? "SealedFiles" : "UnsealedFiles";
});

TEST_P(Damage, IsNoCallThatFails) {
  for (const auto& path : {files_.single(), files_.index()}) {
    FaultyStorage storage;
    int thrown = 0;
    for (std::size_t n = 0;; ++n) {
      const int code = std::array{EIO, ESTALE, EMFILE}[n % 3];
      storage.fail_at(n, false, code);
      const std::size_t before = storage.faults();
      try {
        EXPECT_EQ(damage_of(path, {}, storage), "") << n;
      } catch (const StorageError& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        ++thrown;
      }
      if (storage.faults() == before) break;
    }
    EXPECT_GT(thrown, path == files_.single() ? 5 : 10);
  }
}

TEST_P(Damage, IsToldApartFromWhatCannotBeReadThoughBothAreThere) {
  const auto shards = files_.shards();
  const std::string missing = shards[random_() % shards.size()].string();
  std::filesystem::remove(missing);
  FaultyStorage storage;
  std::size_t unreadable = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const std::size_t before = storage.faults();
    storage.fail_at(n, false, std::array{EIO, ESTALE, EMFILE, EACCES}[n % 4]);
    try {
      const VerifyReport report = verify(files_.index(), {}, storage);
      const bool failed = storage.faults() > before;
      EXPECT_EQ(report.unreadable.size(), failed ? 1U : 0U);
      EXPECT_THAT(report.unreadable, Each(HasSubstr("injected fault")));
      EXPECT_EQ(report.failure != nullptr, failed);
      EXPECT_THAT(report.problems, Each(AllOf(HasSubstr(missing), Not(HasSubstr("injected")))));
      unreadable += failed ? 1 : 0;
      if (failed) continue;
      EXPECT_THAT(report.problems, Not(IsEmpty()));
      break;
    } catch (const StorageError& error) {  // of the index, and of looking whether it is the same
      EXPECT_THAT(error.what(), HasSubstr("injected fault"));
    }
  }
  EXPECT_GT(unreadable, 5U);
}

TEST_P(Damage, IsAShardThatIsMissingOrCutShort) {
  const auto shards = files_.shards();
  const auto shard = shards[random_() % shards.size()];
  const std::string sound = text_of(shard);
  write_text(shard, sound.substr(0, random_() % sound.size()));
  EXPECT_THAT(damage_of(files_.index(), {}, storage::posix()), HasSubstr(shard.string()));
  std::filesystem::remove(shard);
  EXPECT_THAT(damage_of(files_.index(), {}, storage::posix()), HasSubstr(shard.string()));
  FaultyStorage storage;
  storage.fail_at(0, true);
  EXPECT_THROW((void)damage_of(files_.index(), {}, storage), StorageError);
}

}  // namespace
}  // namespace lamina::checkpoint
