// Files that a save leaves alone: the shards of other checkpoints, and what is write-protected.
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/hidden_names.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

namespace fs = std::filesystem;
using lamina::testing::CapturedWarnings;
using lamina::testing::kGB;
using lamina::testing::PassingStorage;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::text_of;
using lamina::testing::TreeBuilder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Is gone, with all that it does from then on, as soon as a record is in force.
class DyingStorage final : public PassingStorage {
 public:
  bool exists(const Path& path) override { return require_alive(), inner().exists(path); }
  void remove(const Path& path) override { require_alive(), inner().remove(path); }
  void sync_directory(const Path& path) override { require_alive(), inner().sync_directory(path); }
  void rename(const Path& from, const Path& to) override {
    require_alive();
    inner().rename(from, to);
    dead_ = to.extension() == ".recovery";
  }

 private:
  void require_alive() const {
    if (dead_) throw StorageError("the process has died", EIO);
  }
  bool dead_ = false;
};

/// The files of these names are write-protected.
class ProtectedFiles final : public PassingStorage {
 public:
  explicit ProtectedFiles(std::vector<std::string> names) : names_(std::move(names)) {}
  bool is_write_protected(const Path& path) override {
    return std::find(names_.begin(), names_.end(), path.filename()) != names_.end();
  }

 private:
  std::vector<std::string> names_;
};

class KeptFiles : public ::testing::Test {
 protected:
  KeptFiles() {
    for (int i = 0; i < 4; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder_.layer("layers/" + name, name, {random_tensor(random_, {8}, DType::kFloat32)});
    }
  }

  void save_to(const fs::path& path, const SaveRequest& request = {},
               storage::Storage& storage = storage::posix()) {
    save(builder_.tree, path, request, storage);
  }
  /// With so many of the four variables in a shard.
  static SaveRequest shards_of(int variables, bool seal = true) {
    SaveRequest out;
    out.max_shard_size = variables * 32 / kGB;
    out.seal = seal;
    return out;
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
  void expect_refused(const fs::path& path, const std::string& shard, bool overwrite = true) {
    const auto before = files();
    SaveRequest request;
    request.overwrite = overwrite;
    try {
      save_to(path, request);
      ADD_FAILURE() << path << " was saved";
    } catch (const ValueError& error) {
      if (overwrite) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr(shard + "' is a shard of the checkpoint '"),
                                        HasSubstr(index_.string() + "'")));
      }
    }
    EXPECT_EQ(files(), before);
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_{lamina::testing::memory_directory()};
  const fs::path index_ = fs::canonical(directory_.path()) / "m.weights.json";
  TreeBuilder builder_;
};

// Two of two checkpoints were lost, or, where none is sealed, one was loaded with weights of both.
TEST_F(KeptFiles, AFileThatAnIndexHasForAShardIsNoPlaceForAnother) {
  for (const bool sealed : {true, false}) {
    SCOPED_TRACE(sealed);
    save_to(index_, shards_of(2, sealed));
    const auto old = snapshot(builder_.tree);
    assign_new_values();
    for (const std::string shard : {"m_00000.weights.h5", "m_00001.weights.h5"}) {
      expect_refused(index_.parent_path() / shard, shard);
      expect_refused(index_.parent_path() / shard, shard, false);
    }
    EXPECT_TRUE(holds(index_, old));
  }
  const fs::path link = directory_ / "link.weights.h5";
  fs::create_symlink("m_00001.weights.h5", link);
  expect_refused(link, "m_00001.weights.h5");
  // It would be one of another save's.
  fs::remove(index_.parent_path() / "m_00001.weights.h5");
  expect_refused(index_.parent_path() / "m_00001.weights.h5", "m_00001.weights.h5");
}

TEST_F(KeptFiles, AShardsNameIsFreeWhereNoIndexListsIt) {
  save_to(index_, shards_of(2));
  const auto old = snapshot(builder_.tree);
  // Whose shards would be called alike.
  fs::create_directory(directory_ / "m.weights.weights.json");
  std::ofstream(directory_ / "m.weights.weights.weights.json") << "no index";
  assign_new_values();
  for (const char* name : {"m_00002.weights.h5", "n_00000.weights.h5", "m_0.weights.h5"}) {
    save_to(directory_ / name);
    EXPECT_TRUE(holds(directory_ / name, snapshot(builder_.tree)));
  }
  EXPECT_TRUE(holds(index_, old));
  fs::remove(index_);
  save_to(directory_ / "m_00001.weights.h5");
  EXPECT_TRUE(holds(directory_ / "m_00001.weights.h5", snapshot(builder_.tree)));
}

// Its record would have put the shard over the file, which was saved, with the next load.
TEST_F(KeptFiles, AShardOfASaveThatDiedCommittingIsNoPlaceForAnother) {
  DyingStorage dying;
  {
    const CapturedWarnings warnings;
    EXPECT_THROW(save_to(index_, shards_of(2), dying), StorageError);
  }
  ASSERT_FALSE(fs::exists(index_));
  ASSERT_TRUE(fs::exists(CheckpointPlace(index_).record()));
  const auto saved = snapshot(builder_.tree);
  assign_new_values();
  try {
    save_to(directory_ / "m_00000.weights.h5");
    ADD_FAILURE() << "was saved";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("m.weights.json"));
  }
  EXPECT_TRUE(holds(index_, saved));
  EXPECT_THAT(files(), ElementsAre("m.weights.json", "m_00000.weights.h5", "m_00001.weights.h5"));
}

// The record is in force all the same.
TEST_F(KeptFiles, AShardOfASaveThatCannotBeFinishedIsNoPlaceForAnother) {
  DyingStorage dying;
  {
    const CapturedWarnings warnings;
    EXPECT_THROW(save_to(index_, shards_of(2), dying), StorageError);
  }
  const auto saved = snapshot(builder_.tree);
  fs::create_directory(directory_ / "m_00001.weights.h5");
  assign_new_values();
  try {
    save_to(directory_ / "m_00000.weights.h5");
    ADD_FAILURE() << "was saved";
  } catch (const StorageError& error) {
    EXPECT_EQ(error.code(), EISDIR);
  }
  fs::remove(directory_ / "m_00001.weights.h5");
  EXPECT_TRUE(holds(index_, saved));
}

TEST_F(KeptFiles, AShardThatIsWriteProtectedStaysWhenItsIndexHasNoneOfThatNameAnyMore) {
  save_to(index_, shards_of(1));
  const std::string kept = text_of(directory_ / "m_00003.weights.h5");
  assign_new_values();
  ProtectedFiles storage({"m_00003.weights.h5"});
  CapturedWarnings warnings;
  save_to(index_, shards_of(2), storage);
  EXPECT_THAT(warnings.all,
              ElementsAre(AllOf(HasSubstr("m_00003.weights.h5'"), HasSubstr("stays"))));
  EXPECT_THAT(files(), ElementsAre("m.weights.json", "m_00000.weights.h5", "m_00001.weights.h5",
                                   "m_00003.weights.h5"));
  EXPECT_EQ(text_of(directory_ / "m_00003.weights.h5"), kept);
  EXPECT_TRUE(holds(index_, snapshot(builder_.tree)));
  warnings.all.clear();
  save_to(index_, shards_of(2), storage);
  EXPECT_THAT(warnings.all, IsEmpty());
}

}  // namespace
}  // namespace lamina::checkpoint
