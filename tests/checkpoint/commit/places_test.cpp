// What a save finds where its files go: files of others' rights, links, directories, what it may
// not remove, and names that cannot be read back.
#include <gmock/gmock.h>
#include <lamina/error.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <future>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/hidden_names.h"
#include "checkpoint/commit/recovery.h"
#include "checkpoint/steps/recover_directory.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/gated_storage.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

namespace fs = std::filesystem;
using lamina::testing::CapturedWarnings;
using lamina::testing::GatedStorage;
using lamina::testing::PassingStorage;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr double kGB = 1024.0 * 1024.0 * 1024.0;
constexpr const char* kDead = "123-0123456789abcdef";

/// The process's mask for new files, while this lives.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t before_;
};

/// Removes nothing whose name has this text, as where it is somebody else's.
class StickyStorage final : public PassingStorage {
 public:
  explicit StickyStorage(std::string text) : text_(std::move(text)) {}
  void remove(const Path& path) override {
    if (path.filename().string().find(text_) != std::string::npos) {
      throw StorageError("unlink failed for '" + path.string() + "': Operation not permitted",
                         EPERM);
    }
    inner().remove(path);
  }

 private:
  std::string text_;
};

class Places : public ::testing::Test {
 protected:
  Places() {
    for (int i = 0; i < 4; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder_.layer("layers/" + name, name, {random_tensor(random_, {8}, DType::kFloat32)});
    }
  }

  /// One shard for so many of the four variables; none: a single file.
  static SaveRequest shards_of(std::optional<int> variables) {
    SaveRequest out;
    if (variables) out.max_shard_size = *variables * 32 / kGB;
    return out;
  }
  void save_to(const fs::path& path, std::optional<int> variables = {},
               storage::Storage& storage = storage::posix()) {
    save(builder_.tree, path, shards_of(variables), storage);
  }
  void assign_new_values() {
    for (auto& node : builder_.tree.nodes) {
      for (auto& v : node.variables) {
        v.variable->assign(random_tensor(random_, v.variable->shape(), v.variable->dtype()));
      }
    }
  }
  bool holds(const fs::path& path, const std::vector<Tensor>& expected) {
    const auto copy = poisoned_copy(builder_.tree);
    load(copy, path, {});
    return same_values(snapshot(copy), expected);
  }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }
  static unsigned mode_of(const fs::path& file) {
    return static_cast<unsigned>(fs::status(file).permissions());
  }
  static void set_mode(const fs::path& file, unsigned mode) {
    fs::permissions(file, static_cast<fs::perms>(mode));
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{lamina::testing::memory_directory()}, elsewhere_;
  TreeBuilder builder_;
};

TEST_F(Places, ANewFileIsAsTheUmaskSaysAndOneThatIsReplacedLeavesItsRights) {
  const Umask mask(022);
  for (const auto& [name, variables] : {std::pair("m.weights.h5", std::optional<int>()),
                                        std::pair("s.weights.json", std::optional<int>(2))}) {
    save_to(directory_ / name, variables);
    for (const std::string& file : files()) EXPECT_EQ(mode_of(directory_ / file), 0644U) << file;
    for (const unsigned mode : {0600U, 0640U, 0666U, 0604U}) {
      for (const std::string& file : files()) set_mode(directory_ / file, mode);
      assign_new_values();
      save_to(directory_ / name, variables);
      for (const std::string& file : files()) EXPECT_EQ(mode_of(directory_ / file), mode) << file;
      EXPECT_TRUE(holds(directory_ / name, snapshot(builder_.tree)));
    }
    for (const std::string& file : files()) fs::remove(directory_ / file);
  }
}

TEST_F(Places, AShardThatThereWasNotBeforeIsAsPrivateAsTheCheckpointThatItComesTo) {
  const Umask mask(022);
  const fs::path index = directory_ / "m.weights.json";
  save_to(index, 4);
  for (const std::string& file : files()) set_mode(directory_ / file, 0600);
  save_to(index, 1);
  EXPECT_EQ(files().size(), 5U);
  for (const std::string& file : files()) EXPECT_EQ(mode_of(directory_ / file), 0600U) << file;
  EXPECT_TRUE(holds(index, snapshot(builder_.tree)));
  // What is left of another checkpoint says who may read its place.
  set_mode(index, 0644);
  fs::remove(directory_ / "m_00003.weights.h5");
  save_to(index, 1);
  EXPECT_EQ(mode_of(directory_ / "m_00002.weights.h5"), 0600U);
  EXPECT_EQ(mode_of(directory_ / "m_00003.weights.h5"), 0644U);
}

TEST_F(Places, WhatReplacesAPrivateFileIsPrivateFromItsFirstByteOn) {
  const Umask mask(022);
  const fs::path path = directory_ / "m.weights.h5";
  save_to(path);
  set_mode(path, 0600);
  GatedStorage gate;
  gate.close_gate();
  auto saving = std::async(std::launch::async, [&] { save_to(path, {}, gate); });
  gate.wait_for_writer();
  int hidden = 0;
  for (const std::string& file : files()) {
    if (!file.ends_with(".new")) continue;
    ++hidden;
    EXPECT_EQ(mode_of(directory_ / file), 0600U) << file;
  }
  gate.open_gate();
  saving.get();
  EXPECT_EQ(hidden, 1);
}

TEST_F(Places, ALinkThatLeadsNowhereIsFollowedAndStays) {
  const fs::path link = directory_ / "m.weights.h5", target = elsewhere_ / "real.h5";
  // By way of another link, and from where that lies.
  fs::create_directory(directory_ / "links");
  fs::create_symlink("links/second", link);
  fs::create_symlink(target, directory_ / "links" / "second");
  EXPECT_EQ(save_key(link, false), save_key(target, false));
  for (int round = 0; round < 2; ++round) {  // the second replaces what the first has made
    assign_new_values();
    save_to(link);
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_TRUE(fs::is_symlink(directory_ / "links" / "second"));
    EXPECT_TRUE(fs::is_regular_file(target));
    EXPECT_TRUE(holds(link, snapshot(builder_.tree)));
  }
  EXPECT_THAT(files(), ElementsAre("links", "m.weights.h5"));
}

TEST_F(Places, ALinkIntoADirectoryThatIsNotThereIsAnErrorThatNamesIt) {
  const fs::path link = directory_ / "m.weights.h5",
                 missing = fs::canonical(elsewhere_.path()) / "no";
  fs::create_symlink(missing / "real.h5", link);
  try {
    save_to(link);
    ADD_FAILURE() << "was saved";
  } catch (const FileNotFoundError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("'" + missing.string() + "': No such file or directory"),
                      Not(HasSubstr(".lock"))));
  }
  EXPECT_TRUE(fs::is_symlink(link));
}

TEST_F(Places, ALinkToItselfIsAnErrorAndStays) {
  const fs::path link = directory_ / "m.weights.h5";
  fs::create_symlink("m.weights.h5", link);
  try {
    save_to(link);
    ADD_FAILURE() << "was saved";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), ELOOP);
    EXPECT_THAT(error.what(), HasSubstr(link.string()));
  }
  EXPECT_THAT(files(), ElementsAre("m.weights.h5"));
  EXPECT_TRUE(fs::is_symlink(link));
}

// The renames of a record could neither be finished nor undone, and no load would get by.
TEST_F(Places, ADirectoryInThePlaceOfAFileThatComesOrGoesIsAnErrorThatChangesNothing) {
  const fs::path index = directory_ / "m.weights.json", place = directory_ / "m_00003.weights.h5";
  const auto expect_refused = [&](int variables) {
    const auto before = files();
    try {
      save_to(index, variables);
      ADD_FAILURE() << "was saved";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), EISDIR);
      EXPECT_THAT(error.what(), HasSubstr("'" + place.string() + "'"));
    }
    EXPECT_EQ(files(), before);
  };
  CapturedWarnings warnings;
  save_to(index, 2);
  const auto old = snapshot(builder_.tree);
  fs::create_directory(place);
  assign_new_values();
  expect_refused(1);  // of four shards
  EXPECT_TRUE(holds(index, old));
  fs::remove(place);
  save_to(index, 1);
  fs::remove(place);
  fs::create_directory(place);
  expect_refused(2);
  EXPECT_THAT(warnings.all, IsEmpty());
}

// Who uses them would find them gone, and a device that root saves to through a link stays one.
TEST_F(Places, APipeInThePlaceOfAFileIsAnErrorAndStays) {
  const fs::path pipe = fs::canonical(elsewhere_.path()) / "pipe",
                 link = directory_ / "l.weights.h5";
  const fs::path shard = directory_ / "m_00000.weights.h5";
  for (const fs::path& path : {pipe, shard}) ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  fs::create_symlink(pipe, link);
  for (const auto& [path, variables, place] :
       {std::tuple(link, std::optional<int>(), pipe),
        std::tuple(shard, std::optional<int>(), shard),
        std::tuple(directory_ / "m.weights.json", std::optional<int>(2), shard)}) {
    const auto before = files();
    try {
      save_to(path, variables);
      ADD_FAILURE() << path << " was saved";
    } catch (const StorageError& error) {
      EXPECT_EQ(error.code(), EINVAL);
      EXPECT_THAT(error.what(), HasSubstr("'" + place.string() + "' is not a regular file"));
    }
    EXPECT_TRUE(fs::is_fifo(place));
    EXPECT_EQ(files(), before);
  }
  EXPECT_THAT(storage::posix().list(elsewhere_.path()), ElementsAre("pipe"));
}

TEST_F(Places, WhatADeadSaveOfSomebodyElseHasLeftStaysAndIsInNobodysWay) {
  const fs::path path = directory_ / "m.weights.h5";
  const std::string left = hidden_name("m.weights.h5", kDead, HiddenCopy::kNew);
  const std::string other = hidden_name("o.weights.h5", make_save_name(), HiddenCopy::kNew);
  for (const std::string& name : {left, other}) std::ofstream(directory_ / name) << "partial";
  StickyStorage storage(kDead);
  {
    CapturedWarnings warnings;
    save_to(path, {}, storage);
    EXPECT_THAT(warnings.all, ElementsAre(AllOf(HasSubstr("'" + (directory_ / left).string() + "'"),
                                                HasSubstr("Operation not permitted"))));
  }
  EXPECT_TRUE(holds(path, snapshot(builder_.tree)));
  const Recovery done = recover_directory(directory_.path(), storage);
  EXPECT_THAT(done.removed, ElementsAre(other));
  EXPECT_THAT(done.problems, ElementsAre(HasSubstr(left)));
  EXPECT_THAT(files(), ElementsAre(left, "m.weights.h5"));
}

// JSON holds texts, and a file's name is bytes; a backslash may lead elsewhere.
TEST_F(Places, AnIndexThatNamesWhatALoadRefusesIsRefusedBeforeTheFirstByte) {
  try {
    save_to(directory_ / "m\\.weights.json", 2);
    ADD_FAILURE() << "was saved";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot be saved in shards"),
                                    HasSubstr(directory_.path().string())));
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(Places, NamesMayHoldAnyCharactersAndBytesThatAreNone) {
  for (const char* stem : {"m\xff", "\xed\xa0\x80", "m\"\n\xe2\x82\xac\xf0\x9f\x90\x99"}) {
    for (const char* end : {".weights.h5", ".weights.json"}) {
      const std::filesystem::path path = directory_ / (std::string(stem) + end);
      save_to(path, path.extension() == ".json" ? 2 : std::optional<double>());
      EXPECT_TRUE(holds(path, snapshot(builder_.tree)));
    }
  }
}

TEST_F(Places, AnIndexThatIsLargerThanALoadTakesIsRefusedBeforeTheFirstByte) {
  TreeBuilder many;
  const Tensor value = Tensor::zeros({1});
  for (int i = 0; i < 70'000; ++i) {
    const std::string name = std::string(240, 'x') + std::to_string(i);
    many.layer("layers/" + name, name, {value});
  }
  SaveRequest request;
  request.max_shard_size = 1;
  try {
    save(many.tree, directory_ / "m.weights.json", request);
    ADD_FAILURE() << "was saved";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("larger than any index can be"));
  }
  EXPECT_THAT(files(), IsEmpty());
}

}  // namespace
}  // namespace lamina::checkpoint
