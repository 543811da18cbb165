#include "checkpoint/commit/recovery.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <cerrno>
#include <functional>
#include <future>
#include <iostream>

#include "checkpoint/commit/commit.h"
#include "checkpoint/commit/leftovers.h"
#include "checkpoint/index/index.h"
#include "checkpoint/names/paths.h"
#include "storage/text_file.h"
#include "tests/checkpoint/crash_scene.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::CrashScene;
using lamina::testing::PassingStorage;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* kSave = "123-0123456789abcdef";

/// Does something after a directory was listed for the second time.
class ListedStorage final : public PassingStorage {
 public:
  explicit ListedStorage(std::function<void()> action) : action_(std::move(action)) {}
  std::vector<std::string> list(const Path& path) override {
    std::vector<std::string> names = inner().list(path);
    if (++listed_ == 2) action_();
    return names;
  }

 private:
  std::function<void()> action_;
  int listed_ = 0;
};

class Recovering : public ::testing::Test {
 protected:
  Recovering() { std::cout << "seed " << seed_ << "\n"; }

  void write(const std::string& name, const std::string& text) {
    const auto file = storage::posix().create(directory_ / name);
    file->write_at(0, std::as_bytes(std::span(text)));
    file->close();
  }
  std::string text(const std::string& name) {
    return storage::read_text(directory_ / name, storage::posix(), 1 << 20, "file");
  }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }
  Recovery recover() { return recover_directory(directory_.path(), storage::posix()); }
  static std::string sealed(const std::string& line) {
    return line + "\n" + fmt::format("crc32 {:08x}\n", crc32_of(line + "\n"));
  }
  static unsigned long crc32_of(const std::string& text) {
    return ::crc32(0, reinterpret_cast<const Bytef*>(text.data()),
                   static_cast<unsigned>(text.size()));
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{lamina::testing::memory_directory()};
  CrashScene scene_{random_, (directory_ / "m.weights.json").string(), 2};
};

TEST(RecoveryRecord, IsReadAsItWasWritten) {
  const std::string name = "m\xff.weights.json";  // names are bytes, not text
  const RecoveryRecord record{kSave,
                              HiddenCopy::kOld,
                              {"m\xff_00000.weights.h5", "m\xff_123456.weights.h5", name},
                              {"m\xff_00007.weights.h5"}};
  const auto back = parse_record(record_text(record, name), name, "source");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->save, record.save);
  EXPECT_EQ(back->copy, record.copy);
  EXPECT_EQ(back->replace, record.replace);
  EXPECT_EQ(back->remove, record.remove);
}

// An index lists as many shards as 65,536: those of the old one go, those of the new one come.
TEST(RecoveryRecord, OfAsManyShardsAsTwoIndicesCanListIsRead) {
  const std::string name = "m.weights.json";
  RecoveryRecord record{kSave, HiddenCopy::kNew, {}, {}};
  for (std::size_t i = 0; i < 65'536; ++i) {
    record.replace.push_back(shard_name("m", i));
    record.remove.push_back(shard_name("m", 65'536 + i));
  }
  const auto back = parse_record(record_text(record, name), name, "source");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->replace, record.replace);
  EXPECT_EQ(back->remove, record.remove);
}

TEST(RecoveryRecord, IsIgnoredWhenTornOrFlippedAnywhere) {
  const std::string name = "m.weights.json";
  const std::string text =
      record_text({kSave, HiddenCopy::kNew, {"m_00000.weights.h5", name}, {}}, name);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parse_record(text.substr(0, i), name, "source")) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_FALSE(parse_record(flipped, name, "source")) << i << " " << bit;
    }
  }
}

TEST_F(Recovering, RefusesARecordThatMeansOtherFiles) {
  const char* const lines[] = {
      R"({"version":2,"save":"1-0123456789abcdef","copy":"new","replace":[],"remove":["00000"]})",
      R"({"version":1,"save":"../x","copy":"new","replace":["index"],"remove":[]})",
      R"({"version":1,"save":"1-0123456789abcdef","copy":"x","replace":["index"],"remove":[]})",
      R"({"version":1,"save":"1-0123456789abcdef","copy":"new","replace":[],"remove":["../../x"]})",
      R"({"version":1,"save":"1-0123456789abcdef","copy":"new","replace":[],"remove":["0/../x"]})",
      R"({"version":1,"save":"1-0123456789abcdef","copy":"new","replace":[],"remove":[7]})",
      R"({"version":1,"save":"1-0123456789abcdef","copy":"new","replace":[],"remove":["0"]})",
      R"({"version":1})",
      R"([])",
      R"([[[[)",
  };
  scene_.save(0, 1300, storage::posix());
  for (const char* line : lines) {
    SCOPED_TRACE(line);
    write(".m.weights.json.recovery", sealed(line));
    const auto before = files();
    try {
      (void)scene_.load(storage::posix());
      ADD_FAILURE() << "was followed";
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), HasSubstr((directory_ / ".m.weights.json.recovery").string()));
    }
    EXPECT_EQ(recover().problems.size(), 1u);
    EXPECT_EQ(files(), before);
    storage::posix().remove(directory_ / ".m.weights.json.recovery");
  }
  EXPECT_EQ(scene_.load(storage::posix()), 0);
}

TEST_F(Recovering, IgnoresATornRecordAndRemovesIt) {
  scene_.save(0, 1300, storage::posix());
  const auto before = files();
  write(".m.weights.json.recovery", R"({"version":1,"save":"1-01234)");
  EXPECT_EQ(scene_.load(storage::posix()), 0);
  EXPECT_THAT(recover().removed, ElementsAre(".m.weights.json.recovery"));
  EXPECT_EQ(files(), before);
  EXPECT_EQ(scene_.load(storage::posix()), 0);
}

TEST_F(Recovering, TouchesNothingButWhatDeadSavesLeft) {
  const std::vector<std::string> others = {
      ".m.weights.json",
      ".m.weights.json.123-0123456789abcdef.tmp",
      ".m.weights.json.123-0123456789ABCDEF.new",
      ".m.weights.json.123-0123456789abcde.new",
      ".m.weights.json.x-0123456789abcdef.new",
      "m.weights.json.123-0123456789abcdef.new",
      ".123-0123456789abcdef.new",
      "m_00009.weights.h5",
      "notes.txt",
  };
  for (const std::string& name : others) write(name, name);
  scene_.save(0, 610, storage::posix());
  scene_.save(1, 1300, storage::posix());
  const auto before = files();
  write(hidden_name("m_00000.weights.h5", kSave, HiddenCopy::kNew), "");
  write(hidden_name("m_00000.weights.h5", kSave, HiddenCopy::kOld), "");
  write(hidden_name("m.weights.json.recovery", kSave, HiddenCopy::kNew), "");
  write(".m.weights.json.lock", "");
  write(hidden_name("other.weights.h5", kSave, HiddenCopy::kNew), "");
  // A save cleans its own checkpoint, the command all of the directory.
  scene_.save(1, 1300, storage::posix());
  EXPECT_TRUE(storage::posix().exists(directory_ /
                                      hidden_name("other.weights.h5", kSave, HiddenCopy::kNew)));
  EXPECT_EQ(files().size(), before.size() + 1);
  EXPECT_THAT(recover().removed,
              ElementsAre(hidden_name("other.weights.h5", kSave, HiddenCopy::kNew)));
  EXPECT_EQ(files(), before);
  for (const std::string& name : others) EXPECT_EQ(text(name), name);
  EXPECT_THAT(recover().removed, IsEmpty());
}

TEST_F(Recovering, LeavesTheFilesOfALiveSave) {
  scene_.save(0, 1300, storage::posix());
  std::future<void> waiting;
  {
    Commit live(storage::posix(), scene_.path());
    const auto staged = live.stage("m_00000.weights.h5");
    write(staged.filename().string(), "new");
    EXPECT_THAT(recover().in_use, ElementsAre("m.weights.json"));
    // An index under another name that has the same shards.
    const CrashScene twin(random_, (directory_ / "m.weights.weights.json").string(), 1);
    twin.save(0, 1300, storage::posix());
    // Files that are named as its shards: one that the index lists, and another.
    const CrashScene listed(random_, (directory_ / "m_00000.weights.h5").string(), 1);
    EXPECT_THROW(listed.save(0, {}, storage::posix()), ValueError);
    const CrashScene shard(random_, (directory_ / "m_00099.weights.h5").string(), 1);
    shard.save(0, {}, storage::posix());
    EXPECT_EQ(text(staged.filename().string()), "new");

    auto next = std::async(std::launch::async, [&] { scene_.save(1, 1300, storage::posix()); });
    EXPECT_EQ(next.wait_for(std::chrono::milliseconds(60)), std::future_status::timeout);
    EXPECT_EQ(text(staged.filename().string()), "new");
    waiting = std::move(next);
  }
  waiting.get();
  EXPECT_EQ(scene_.load(storage::posix()), 1);
  for (const std::string& name : files()) EXPECT_FALSE(name.starts_with('.')) << name;
}

// A link may lead to a file of any name, which is what then is replaced.
TEST_F(Recovering, LeavesTheFileOfALiveSaveByWayOfALink) {
  Commit live(storage::posix(), directory_ / "blob");
  const std::string staged = live.stage("blob").filename().string();
  write(staged, "new");
  const Recovery done = recover();
  EXPECT_THAT(done.removed, IsEmpty());
  EXPECT_THAT(done.problems, IsEmpty());
  EXPECT_EQ(text(staged), "new");
  live.run({});
  EXPECT_EQ(text("blob"), "new");
}

TEST_F(Recovering, LeavesLocksAndRecordsOfOthersAlone) {
  const std::vector<std::string> notes = {".notes.recovery",        ".cache.lock", ".weights.lock",
                                          ".n.weights.h5.recovery", ".lock",       ".recovery"};
  for (const std::string& name : notes) write(name, name);
  for (const char* name : {".foo.lock", ".foo.recovery"}) {
    std::filesystem::create_directory(directory_ / name);
  }
  scene_.save(0, 1300, storage::posix());
  const auto before = files();
  write(hidden_name("m_00000.weights.h5", kSave, HiddenCopy::kNew), "of a save that was killed");
  scene_.save(1, 1300, storage::posix());
  EXPECT_EQ(files(), before);
  const Recovery done = recover();
  EXPECT_THAT(done.removed, IsEmpty());
  EXPECT_THAT(done.finished, IsEmpty());
  EXPECT_THAT(done.in_use, IsEmpty());
  EXPECT_THAT(done.problems, IsEmpty());
  EXPECT_EQ(files(), before);
  for (const std::string& name : notes) EXPECT_EQ(text(name), name);
}

TEST_F(Recovering, TakesALockThatCannotBeOpenedForHeld) {
  scene_.save(0, 1300, storage::posix());
  const std::string of_lock = hidden_name("other.weights.h5", kSave, HiddenCopy::kNew);
  const std::string of_record = hidden_name("third_00000.weights.h5", kSave, HiddenCopy::kNew);
  for (const std::string& name : {of_lock, of_record}) write(name, name);
  for (const char* name : {".other.weights.h5.lock", ".third.weights.json.recovery"}) {
    std::filesystem::create_directory(directory_ / name);
  }
  write(hidden_name("m_00000.weights.h5", kSave, HiddenCopy::kNew), "of a save that was killed");
  scene_.save(1, 1300, storage::posix());
  EXPECT_EQ(scene_.load(storage::posix()), 1);
  const Recovery done = recover();
  EXPECT_THAT(done.removed, IsEmpty());
  EXPECT_THAT(done.problems, UnorderedElementsAre(HasSubstr(".other.weights.h5.lock"),
                                                  HasSubstr(".third.weights.json.recovery")));
  for (const std::string& name : {of_lock, of_record}) EXPECT_EQ(text(name), name);
}

/// Of a directory that may not be written to: a lock that is not there cannot be made. Does
/// something each time before that is said.
class UnwritableStorage final : public PassingStorage {
 public:
  explicit UnwritableStorage(std::function<void(int)> action) : action_(std::move(action)) {}
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    action_(++attempts_);
    throw StorageError("open failed for '" + path.string() + "': Permission denied", EACCES);
  }

 private:
  std::function<void(int)> action_;
  int attempts_ = 0;
};

TEST_F(Recovering, IsNotAskedOfWhoMayNotWriteAboutSavesThatWereJustDone) {
  scene_.save(0, 1300, storage::posix());
  const CheckpointPlace place(directory_ / "m.weights.json");
  // All of them have their places by now.
  const auto record = [&](const std::string& save) {
    write_record(place, {save, HiddenCopy::kNew, {"m_00000.weights.h5", "m.weights.json"}, {}},
                 storage::posix());
  };
  // One save ends, another puts its files in place, and that ends, too.
  record(kSave);
  int attempts = 0;
  UnwritableStorage ending([&](int attempt) {
    attempts = attempt;
    if (attempt == 1) return record("124-0123456789abcdef");
    std::filesystem::remove(place.record());
  });
  EXPECT_EQ(scene_.load(ending), 0);
  EXPECT_EQ(attempts, 2);

  record(kSave);
  UnwritableStorage dead([](int) {});
  try {
    (void)scene_.load(dead);
    ADD_FAILURE() << "was loaded";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EACCES);
    EXPECT_THAT(error.what(), HasSubstr("lamina recover " + directory_.path().string()));
  }
  EXPECT_TRUE(std::filesystem::exists(place.record()));
  EXPECT_EQ(scene_.load(storage::posix()), 0);
}

TEST_F(Recovering, ASaveWhereNoLockCanBeMadeSaysWhatItNeeds) {
  UnwritableStorage storage([](int) {});
  try {
    scene_.save(0, 1300, storage);
    ADD_FAILURE() << "was saved";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EACCES);
    EXPECT_THAT(error.what(), HasSubstr("Nothing can be saved in '" + directory_.path().string()));
    EXPECT_THAT(error.what(), HasSubstr("m.weights.json"));
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Recovering, LeavesWhatTheRecordNeedsOfASaveThatDiedMeanwhile) {
  scene_.save(0, 1300, storage::posix());
  const std::string shard = "m_00000.weights.h5", index = "m.weights.json";
  write(hidden_name(shard, kSave, HiddenCopy::kNew), "new");
  write(".m.weights.json.lock", "");
  ListedStorage storage([&] {
    write(".m.weights.json.recovery", record_text({kSave, HiddenCopy::kNew, {shard}, {}}, index));
  });
  std::vector<std::string> problems;
  const auto removed = remove_leftovers(
      directory_.path(), "other.weights.h5", [](std::string_view) { return true; }, storage,
      problems);
  EXPECT_THAT(removed, IsEmpty());
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_THAT(recover().finished, ElementsAre(index));
  EXPECT_EQ(text(shard), "new");
}

TEST_F(Recovering, PutsBackAndRemovesDirectoriesOfSteps) {
  const std::string save = kSave, making = ".step_00000003." + save + ".making",
                    back = ".step_00000002." + save + ".replaced",
                    gone = ".step_00000001." + save + ".replaced";
  const auto make = [&](const std::string& name) {
    std::filesystem::create_directory(directory_ / name);
    write(name + "/model.weights.h5", name);
  };
  for (const std::string& name : {std::string("step_00000001"), making, back, gone}) make(name);
  const Recovery done = recover();
  EXPECT_THAT(done.finished, ElementsAre("step_00000002"));
  EXPECT_THAT(done.removed, UnorderedElementsAre(making, gone));
  EXPECT_THAT(done.problems, IsEmpty());
  EXPECT_THAT(files(), ElementsAre("step_00000001", "step_00000002"));
  EXPECT_EQ(text("step_00000001/model.weights.h5"), "step_00000001");
  EXPECT_EQ(text("step_00000002/model.weights.h5"), back);
  make(making);
  {
    const auto lock = storage::posix().try_lock(directory_ / ".step_directories.lock");
    const Recovery waits = recover();
    EXPECT_THAT(waits.in_use, ElementsAre("step_directories"));
    EXPECT_THAT(waits.removed, IsEmpty());
  }
  EXPECT_THAT(recover().removed, ElementsAre(making));
}

// Where locks hold only within a machine, another one may clean up while a save lives.
TEST_F(Recovering, ASaveWhoseNewFilesAreGoneFailsAndLeavesTheOldOnes) {
  scene_.save(0, 1300, storage::posix());
  const auto before = files();
  for (std::size_t lost = 0; lost < 3; ++lost) {
    SCOPED_TRACE(lost);
    Commit commit(storage::posix(), scene_.path());
    std::vector<std::filesystem::path> staged;
    for (const char* name : {"m_00000.weights.h5", "m_00001.weights.h5", "m.weights.json"}) {
      staged.push_back(commit.stage(name));
      write(staged.back().filename().string(), "new");
    }
    storage::posix().remove(staged[lost]);
    try {
      commit.run({});
      ADD_FAILURE() << "has replaced the checkpoint";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), ENOENT);
      EXPECT_THAT(error.what(), HasSubstr("'" + staged[lost].string() + "'"));
    }
  }
  EXPECT_EQ(files(), before);
  EXPECT_EQ(scene_.load(storage::posix()), 0);
}

TEST(HiddenNames, SayWhoseTheyAre) {
  EXPECT_TRUE(belongs_to("m_00000.weights.h5", "m.weights.json"));
  EXPECT_TRUE(belongs_to("m.weights.json", "m.weights.json"));
  EXPECT_TRUE(belongs_to("m.weights.json.recovery", "m.weights.json"));
  EXPECT_FALSE(belongs_to("m2_00000.weights.h5", "m.weights.json"));
  EXPECT_FALSE(belongs_to("m_00000.weights.h5", "m.weights.h5"));
  EXPECT_EQ(locked_name(".m.weights.h5.lock"), "m.weights.h5");
  EXPECT_EQ(locked_name(".m.weights.json.lock"), "m.weights.json");
  EXPECT_EQ(recorded_name(".m.weights.json.recovery"), "m.weights.json");
  for (const char* name : {".cache.lock", ".m.weights.h5.recovery", "m.weights.h5.lock", ".lock"}) {
    EXPECT_EQ(locked_name(name), "") << name;
    EXPECT_EQ(recorded_name(name), "") << name;
  }
  EXPECT_TRUE(is_save_name(make_save_name()));
  EXPECT_NE(make_save_name(), make_save_name());
  const std::string hidden = hidden_name("a.b", kSave, HiddenCopy::kOld);
  ASSERT_TRUE(parse_hidden_name(hidden));
  EXPECT_EQ(parse_hidden_name(hidden)->file, "a.b");
  EXPECT_EQ(parse_hidden_name(hidden)->save, kSave);
}

}  // namespace
}  // namespace lamina::checkpoint
