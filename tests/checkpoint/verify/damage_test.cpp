// What is damage, and what only says that nobody can tell just now.
#include "checkpoint/verify/soundness.h"

#include <gmock/gmock.h>
#include <lamina/error.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "checkpoint/seal/sealed_file.h"
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
using ::testing::ElementsAre;
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

/// As long as it lives so many more files can be opened, and no others.
class LastDescriptors {
 public:
  explicit LastDescriptors(rlim_t more) {
    const int free = ::dup(STDERR_FILENO);
    ::close(free);
    ::getrlimit(RLIMIT_NOFILE, &limit_);
    const rlimit small{static_cast<rlim_t>(free) + more, limit_.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &small) != 0) throw std::runtime_error("setrlimit");
  }
  ~LastDescriptors() { ::setrlimit(RLIMIT_NOFILE, &limit_); }
  LastDescriptors(const LastDescriptors&) = delete;
  LastDescriptors& operator=(const LastDescriptors&) = delete;

 private:
  rlimit limit_{};
};

TEST_P(Damage, IsNotThatNoMoreFilesCanBeOpened) {
  for (const auto& path : {files_.single(), files_.index()}) {
    for (rlim_t descriptors = 0;; ++descriptors) {
      SCOPED_TRACE(descriptors);
      const LastDescriptors last(descriptors);
      try {
        EXPECT_EQ(damage_of(path, {}, storage::posix()), "");
        EXPECT_GE(descriptors, 1U);  // not all shards are held open
        break;
      } catch (const StorageError& error) {
        EXPECT_EQ(error.code(), EMFILE) << error.what();
      }
      try {
        const VerifyReport report = verify(path, {}, storage::posix());
        EXPECT_THAT(report.problems, IsEmpty());
        // Threads that read shards which are not held may get by with what there is.
        if (path == files_.single()) {
          EXPECT_THAT(report.unreadable, Not(IsEmpty()));
        }
      } catch (const StorageError& error) {
        EXPECT_EQ(error.code(), EMFILE) << error.what();
      }
    }
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
    // (Not ESTALE, after which an index is read again.)
    storage.fail_at(n, false, std::array{EIO, ETIMEDOUT, EMFILE, EACCES}[n % 4]);
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

// Of a shard that says so itself, and has the checksum of that.
TEST(DamageOfAShard, ThatIsToBeOneOfAMillionIsToldOnce) {
  std::mt19937 random(lamina::test::fresh_seed());
  const SealedFiles files(sealed_tree(random));
  const auto shard = files.shards().front();
  const h5::Reader reader(storage::posix().open(shard));
  Seal seal = read_sealed_file(reader).value().seal;
  seal.shards = 1'000'000;
  const SealDatasets datasets = to_datasets(seal);
  std::string bytes = text_of(shard);
  for (std::size_t k = 0; k < datasets.size(); ++k) {
    const auto offset = reader.look_at(kSealGroup)->datasets.at(kSealKeys[k]).offset.value();
    bytes.replace(offset, datasets[k].size(), reinterpret_cast<const char*>(datasets[k].data()),
                  datasets[k].size());
  }
  write_text(shard, bytes);
  const VerifyReport report = verify(files.index(), {}, storage::posix());
  EXPECT_THAT(report.problems, ElementsAre(AllOf(HasSubstr(shard.string()), HasSubstr("1000000"))));
}

}  // namespace
}  // namespace lamina::checkpoint
