// Names as long as a file's may be: the hidden names beside them have no room for all of them.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <cerrno>
#include <fstream>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/commit/commit.h"
#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/recovery_record.h"
#include "checkpoint/save/begin_save.h"
#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CrashDisk;
using lamina::testing::CrashScene;
using lamina::testing::CrashStorage;
using lamina::testing::TemporaryDirectory;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kLongest = 255;
constexpr const char* kShortId = "1-0123456789abcdef";
constexpr const char* kLongId = "4194304-0123456789abcdef";

std::string filled(std::size_t size, const std::string& end) {
  return std::string(size - end.size(), 'n') + end;
}

class LongNames : public ::testing::Test {
 protected:
  [[nodiscard]] CrashScene scene(const std::string& name) {
    return CrashScene(random_, (directory_ / name).string(), 2);
  }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }
  void write(const std::string& name) { std::ofstream(directory_ / name) << name; }
  Recovery recover() { return recover_directory(directory_.path(), storage::posix()); }

  /// The error of a save names the length and the limit, and comes before anything is made.
  void expect_too_long(const std::string& name, std::optional<double> limit, std::size_t size) {
    SCOPED_TRACE(name.size());
    try {
      scene(name).save(0, limit, storage::posix());
      ADD_FAILURE() << "was saved";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), ENAMETOOLONG);
      EXPECT_THAT(error.what(),
                  AllOf(HasSubstr("name too long"), HasSubstr(std::to_string(size) + " bytes"),
                        HasSubstr("at most 255"), HasSubstr(directory_.path().string())));
    }
    EXPECT_THAT(files(), IsEmpty());
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{lamina::testing::memory_directory()};
};

TEST_F(LongNames, OfFilesAreSavedUnderAndReplaced) {
  const std::string euros = [] {
    std::string out;
    while (out.size() < 243) out += "\xe2\x82\xac";  // no cut falls between its bytes
    return out + "n.weights.h5";
  }();
  for (const std::string& name :
       {filled(kLongest, ".weights.h5"), euros, filled(kLongest, ".keras")}) {
    ASSERT_EQ(name.size(), kLongest);
    const CrashScene scene = this->scene(name);
    for (const int set : {0, 1, 0}) {
      scene.save(static_cast<std::size_t>(set), {}, storage::posix());
      EXPECT_EQ(scene.load(storage::posix()), set);
      EXPECT_THAT(files(), ElementsAre(name));
    }
    storage::posix().remove(directory_ / name);
  }
}

TEST_F(LongNames, OfShardsAreSavedUnderAndReplaced) {
  // Keras takes ".weights" out of a shard's name wherever it is.
  std::string stripped = "m";
  while (stripped.size() + 8 + 5 <= kLongest) stripped += ".weights";
  stripped += ".json";
  const std::string no_utf8 = std::string(237, '\xff') + ".weights.json";
  for (const std::string& name : {filled(kLongest - 4, ".weights.json"), stripped, no_utf8}) {
    SCOPED_TRACE(name);
    const CrashScene scene = this->scene(name);
    for (const int set : {0, 1, 0}) {
      scene.save(static_cast<std::size_t>(set), set == 0 ? 1300 : 610, storage::posix());
      EXPECT_EQ(scene.load(storage::posix()), set);
      EXPECT_THAT(files(), AllOf(SizeIs(set == 0 ? 3 : 6), Contains(name)));
    }
    for (const std::string& file : files()) storage::posix().remove(directory_ / file);
  }
}

TEST_F(LongNames, ThatNoDirectoryTakesAreRefusedBeforeAnythingIsWritten) {
  expect_too_long(filled(kLongest + 1, ".weights.h5"), {}, kLongest + 1);
  expect_too_long(filled(kLongest + 1, ".weights.json"), 1300, kLongest + 1);
  for (std::size_t over = 1; over <= 4; ++over) {  // the index can be, its shards cannot
    expect_too_long(filled(kLongest - 4 + over, ".weights.json"), 1300, kLongest + over);
  }
  // At once, where the save is to be in the background.
  lamina::testing::TreeBuilder builder;
  const TreePtr tree(TreePtr(), &builder.tree);
  EXPECT_THROW((void)begin_save(tree, directory_ / filled(kLongest + 1, ".weights.h5"), {},
                                storage::posix()),
               StorageError);
}

TEST_F(LongNames, OfALinksTargetCountAndNotTheLinks) {
  // A lock with the whole name, and one whose name tells of nothing that is saved.
  for (const std::size_t size : {std::size_t{240}, std::size_t{250}}) {
    SCOPED_TRACE(size);
    const std::string target = filled(size, "blob");
    std::filesystem::create_symlink(target, directory_ / "m.weights.h5");
    const CrashScene scene = this->scene("m.weights.h5");
    for (const int set : {0, 1}) {
      scene.save(static_cast<std::size_t>(set), {}, storage::posix());
      EXPECT_EQ(scene.load(storage::posix()), set);
    }
    Commit live(storage::posix(), directory_ / target);
    const std::string staged = live.stage(target).filename().string();
    write(staged);
    EXPECT_THAT(recover().removed, IsEmpty());
    EXPECT_THAT(files(), Contains(staged));
    storage::posix().remove(directory_ / "m.weights.h5");
  }
}

TEST_F(LongNames, OfALiveSaveKeepTheirFiles) {
  const std::string index = filled(kLongest - 4, ".weights.json"),
                    shard = filled(kLongest, "_00001.weights.h5");
  Commit live(storage::posix(), directory_ / index);
  const std::string staged = live.stage(shard).filename().string();
  write(staged);
  EXPECT_THAT(recover().in_use, SizeIs(1));
  EXPECT_THAT(files(), Contains(staged));
  // Another's, which has the name of one of the shards: it may take what is its own, if it is dead.
  scene(shard).save(0, {}, storage::posix());
  EXPECT_THAT(files(), AllOf(Contains(staged), Contains(shard)));
}

TEST_F(LongNames, OfDeadSavesAreRecoveredWithoutALoad) {
  for (const std::string& name : {filled(kLongest - 4, ".weights.json"),
                                  filled(244, ".weights.json"), filled(kLongest, ".weights.h5")}) {
    const bool sharded = name.ends_with(".json");
    const auto limit = [&](double bytes) { return sharded ? std::optional(bytes) : std::nullopt; };
    const CrashScene scene(random_, "d/" + name, 2);
    CrashStorage storage;
    scene.save(0, limit(1300), storage);
    const CrashDisk before = storage.disk();
    const std::size_t begin = storage.log().size();
    scene.save(1, limit(610), storage);
    std::size_t finished = 0, removed = 0;
    CrashDisk disk = before;
    for (std::size_t k = begin; k < storage.log().size(); ++k) {
      disk.apply(storage.log()[k]);
      CrashStorage dead(disk);
      const Recovery done = recover_directory("d", dead);
      EXPECT_THAT(done.problems, IsEmpty());
      EXPECT_THAT(done.in_use, IsEmpty());
      EXPECT_THAT(done.finished, ::testing::Each(name));
      finished += done.finished.size();
      removed += done.removed.size();
      for (const std::string& file : dead.list("d")) EXPECT_FALSE(file.starts_with('.')) << file;
      EXPECT_THAT(scene.load(dead), AnyOf(0, 1));
    }
    EXPECT_EQ(finished > 3, sharded);
    EXPECT_GT(removed, 3U);
  }
}

// What an earlier version left, whose hidden names had the whole name wherever that has room.
TEST_F(LongNames, OfWhatEarlierVersionsLeftAreFound) {
  const std::string file = filled(231, ".weights.h5"), index = filled(222, ".weights.json"),
                    shard = filled(226, "_00000.weights.h5");
  for (const std::string& name : {file, shard, index + ".recovery"}) {
    write(fmt::format(".{}.{}.new", name, kShortId));
  }
  EXPECT_THAT(files(), SizeIs(3));
  scene(file).save(0, {}, storage::posix());
  EXPECT_THAT(files(), SizeIs(3));
  scene(index).save(0, 1300, storage::posix());
  EXPECT_THAT(files(), AllOf(SizeIs(4), Contains(file), Contains(index)));
  EXPECT_THAT(recover().removed, IsEmpty());
}

TEST_F(LongNames, ARecordThatStandsForAnotherCheckpointIsNotFollowed) {
  const std::string name = filled(kLongest - 4, ".weights.json"),
                    other = filled(kLongest - 5, ".weights.json");
  const std::string text = record_text({kLongId, HiddenCopy::kNew, {name}, {}}, name);
  EXPECT_EQ(parse_record(text, name, "source")->name, name);
  EXPECT_EQ(parse_record(text, stand_in(name), "source")->name, name);
  for (const std::string& wrong : {other, stand_in(other), std::string("m.weights.json")}) {
    EXPECT_THROW((void)parse_record(text, wrong, "source"), FormatError) << wrong;
  }
  const std::string plain =
      record_text({kLongId, HiddenCopy::kNew, {"m.weights.json"}, {}}, "m.weights.json");
  EXPECT_EQ(parse_record(plain, "m.weights.json", "source")->name, "m.weights.json");
  EXPECT_THROW((void)parse_record(plain, name, "source"), FormatError);
}

TEST_F(LongNames, HaveHiddenNamesThatFitAndSayWhoseTheyAre) {
  for (std::size_t size = 20; size <= kLongest; ++size) {
    SCOPED_TRACE(size);
    for (const char* end : {".weights.h5", ".weights.json", "_00012.weights.h5", "blob"}) {
      const std::string file = filled(size, end);
      const CheckpointPlace place(file);
      for (const auto& [hidden, suffix] :
           {std::pair(place.lock(), ".lock"), std::pair(place.record(), ".recovery")}) {
        const std::string name = hidden.filename().string();
        EXPECT_LE(name.size(), kLongest);
        EXPECT_EQ(name == "." + file + suffix, size <= 245);
      }
      for (const char* save : {kShortId, kLongId}) {
        const std::string hidden = hidden_name(file, save, HiddenCopy::kOld),
                          plain = fmt::format(".{}.{}.old", file, save);
        EXPECT_LE(hidden.size(), kLongest);
        EXPECT_EQ(hidden == plain, plain.size() <= kLongest);
        ASSERT_TRUE(parse_hidden_name(hidden));
        EXPECT_EQ(parse_hidden_name(hidden)->save, save);
        EXPECT_TRUE(belongs_to(parse_hidden_name(hidden)->file, file));
        EXPECT_FALSE(belongs_to(parse_hidden_name(hidden)->file, "x" + file.substr(1)));
        EXPECT_FALSE(belongs_to(parse_hidden_name(hidden)->file, file.substr(1)));
      }
    }
    const std::string index = filled(size, ".weights.json");
    const std::string shard = filled(size + 4, "_00012.weights.h5");
    const auto copy = hidden_name(shard, kLongId, HiddenCopy::kNew);
    EXPECT_TRUE(belongs_to(parse_hidden_name(copy)->file, index));
    EXPECT_FALSE(belongs_to(parse_hidden_name(copy)->file, "x" + index.substr(1)));
  }
}

}  // namespace
}  // namespace lamina::checkpoint
