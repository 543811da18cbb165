#include <gmock/gmock.h>
#include <lamina/error.h>

#include <algorithm>
#include <cerrno>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/hidden_names.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/faulty_storage.h"
#include "tests/fakes/open_resources.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::FaultyStorage;
using lamina::testing::kGB;
using lamina::testing::OpenResources;
using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

struct Way {
  const char* name;
  std::optional<double> first_limit, second_limit;  // bytes: the second save has fewer shards
};

class Faults : public ::testing::TestWithParam<Way> {
 protected:
  Faults() : path_(directory_ / GetParam().name) {
    for (int i = 0; i < 4; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder_.layer("layers/" + name, name,
                     {random_tensor(random_, {8}, DType::kFloat32),
                      random_tensor(random_, {2}, DType::kFloat16)});
    }
  }

  void SetUp() override {
    save_first();  // what is made once and kept, such as random devices
    EXPECT_TRUE(holds(builder_.tree));
    clear();
    before_ = OpenResources::now();
  }
  // Whatever failed, no descriptor and no thread stays.
  void TearDown() override { EXPECT_EQ(OpenResources::now_expecting(before_), before_); }

  SaveRequest request(const std::optional<double>& limit) {
    SaveRequest out;
    if (path_.extension() == ".keras") out.archived = {{"config.json", "{}"}};
    if (limit) out.max_shard_size = *limit / kGB;
    return out;
  }
  void save_first() { save(builder_.tree, path_, request(GetParam().first_limit)); }
  void save_second(storage::Storage& storage) {
    save(other_, path_, request(GetParam().second_limit), storage);
  }
  /// A first save and a second one, which dies at its first rename into place.
  void interrupt_second() {
    FaultyStorage storage;
    storage.forbid_links();  // nothing can be undone
    const CapturedWarnings warnings;
    for (std::size_t& n = interrupt_at_;; ++n) {
      clear();
      save_first();
      storage.fail_at(n);
      try {
        save_second(storage);
      } catch (const StorageError& error) {
        if (std::string_view(error.what()).find("rename failed for") != std::string_view::npos &&
            storage::posix().exists(CheckpointPlace(path_).record()))
          return;
      }
    }
  }
  bool holds(const weights::WeightTree& tree) {
    const auto copy = poisoned_copy(tree);
    load(copy, path_, {});
    return same_values(snapshot(copy), snapshot(tree));
  }
  std::vector<std::string> files() { return storage::posix().list(directory_.path()); }
  void clear() {
    for (const std::string& file : files()) storage::posix().remove(directory_ / file);
  }
  void new_values() {
    other_ = poisoned_copy(builder_.tree);
    for (auto& node : other_.nodes) {
      for (auto& v : node.variables) {
        v.variable->assign(random_tensor(random_, v.variable->shape(), v.variable->dtype()));
      }
    }
  }

  TemporaryDirectory directory_{lamina::testing::memory_directory()};
  std::filesystem::path path_;
  std::mt19937 random_{lamina::test::fresh_seed()};
  TreeBuilder builder_;
  weights::WeightTree other_;
  std::size_t interrupt_at_ = 0;  // found once, the same every time
  OpenResources before_;
};

class ShardFaults : public Faults {};

TEST_P(Faults, AtAnyCallOfASaveLeaveTheOldCheckpoint) {
  constexpr int kCodes[] = {EIO, ENOSPC, EINTR, EMFILE, EROFS};
  FaultyStorage storage;
  std::size_t failed = 0;
  for (std::size_t n = 0, never = 0; never < std::size(kCodes); ++n) {
    const int code = kCodes[n % std::size(kCodes)];
    SCOPED_TRACE(fmt::format("error {} at call {}", code, n / std::size(kCodes)));
    clear();
    save_first();
    const auto old_files = files();
    new_values();
    const std::size_t before = storage.faults();
    storage.fail_at(n / std::size(kCodes), false, code);
    CapturedWarnings warnings;
    bool thrown = false;
    try {
      save_second(storage);
    } catch (const StorageError& error) {
      thrown = true;
      EXPECT_EQ(error.code(), code);
      EXPECT_THAT(error.what(), HasSubstr(std::generic_category().message(code)));
      EXPECT_THAT(error.what(), HasSubstr(directory_.path().string()));
    }
    const bool reached = storage.faults() > before;
    storage.fail_never();
    if (thrown) {
      ++failed;
      EXPECT_THAT(files(), ElementsAreArray(old_files));
      EXPECT_TRUE(holds(builder_.tree));
      save_second(storage);
    }  // else none was due, or it struck the cleaning up, which tries again
    EXPECT_TRUE(holds(other_));
    for (const std::string& file : files()) EXPECT_FALSE(file.starts_with("."));
    never = reached ? 0 : never + 1;
  }
  EXPECT_GT(failed, 10 * std::size(kCodes));
}

TEST_P(Faults, ThatLastLeaveTheOldCheckpointOrTheNewOne) {
  FaultyStorage storage;
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    clear();
    save_first();
    new_values();
    const std::size_t before = storage.faults();
    storage.fail_at(n, true);
    CapturedWarnings warnings;
    bool thrown = false;
    try {
      save_second(storage);
    } catch (const StorageError&) {
      thrown = true;
      ++failed;
    }
    const bool reached = storage.faults() > before;
    storage.fail_never();
    EXPECT_TRUE(holds(other_) || (thrown && holds(builder_.tree)));
    save_second(storage);
    EXPECT_TRUE(holds(other_));
    if (!reached) break;
  }
  EXPECT_GT(failed, 6U);
}

TEST_P(Faults, AtAnyCallOfALoadLeaveTheModel) {
  save_first();
  FaultyStorage storage;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const auto copy = poisoned_copy(builder_.tree);
    const auto before = snapshot(copy);
    storage.fail_at(n);
    try {
      load(copy, path_, {}, storage);
    } catch (const StorageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("injected fault"));
      EXPECT_TRUE(same_values(snapshot(copy), before));
      continue;
    }
    EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder_.tree)));
    EXPECT_LT(storage.calls(), n + 1);
    EXPECT_GT(n, 2u);
    break;
  }
}

// What cannot be undone is finished by the next load.
TEST_P(Faults, AtAnyCallWithoutLinksLeaveTheOldCheckpointOrTheNewOne) {
  FaultyStorage storage;
  storage.forbid_links();
  std::size_t failed = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    clear();
    save_first();
    new_values();
    const std::size_t before = storage.faults();
    storage.fail_at(n);
    CapturedWarnings warnings;
    bool thrown = false;
    try {
      save_second(storage);
    } catch (const StorageError&) {
      thrown = true;
      ++failed;
    }
    const bool reached = storage.faults() > before;
    storage.fail_never();
    EXPECT_TRUE(holds(other_) || (thrown && holds(builder_.tree)));
    save_second(storage);
    EXPECT_TRUE(holds(other_));
    for (const std::string& file : files()) EXPECT_FALSE(file.starts_with("."));
    if (!reached) break;
  }
  EXPECT_GT(failed, 6U);
}

// Interrupted after the commit point, and then opened with faults.
TEST_P(ShardFaults, AtAnyCallOfARecoveryAreOverWithTheNextLoad) {
  FaultyStorage storage;
  storage.forbid_links();
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    new_values();
    interrupt_second();
    ASSERT_TRUE(storage::posix().exists(CheckpointPlace(path_).record()));
    CapturedWarnings warnings;
    storage.fail_at(n);
    const auto copy = poisoned_copy(other_);
    const std::size_t before = storage.faults();
    try {
      load(copy, path_, {}, storage);
      EXPECT_TRUE(same_values(snapshot(copy), snapshot(other_)));
    } catch (const StorageError&) {
      EXPECT_TRUE(same_values(snapshot(copy), snapshot(poisoned_copy(other_))));
    }
    EXPECT_TRUE(holds(other_));
    if (storage.faults() > before) continue;
    EXPECT_GT(n, 6U);
    break;
  }
}

TEST_P(ShardFaults, OfADirectoryThatMayNotBeWrittenNameTheCommand) {
  new_values();
  interrupt_second();
  for (const int code : {EACCES, EROFS, EPERM}) {
    FaultyStorage storage;
    storage.fail_at(2, true, code);  // the record is found and read
    try {
      load(poisoned_copy(other_), path_, {}, storage);
      ADD_FAILURE() << "was loaded";
    } catch (const StorageError& error) {
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
      EXPECT_THAT(error.what(), HasSubstr("lamina recover " + directory_.path().string()));
      EXPECT_EQ(error.code(), code);
    }
  }
  EXPECT_TRUE(holds(other_));
}

/// Where files are somebody else's, who alone may give them other names or take theirs, as in a
/// directory with the sticky bit.
class OthersFiles final : public lamina::testing::PassingStorage {
 public:
  explicit OthersFiles(std::vector<std::string> theirs) : theirs_(std::move(theirs)) {}

  bool link(const Path& from, const Path& to) override {
    return !is_theirs(from) && inner().link(from, to);
  }
  void rename(const Path& from, const Path& to) override {
    refuse("rename", to);
    inner().rename(from, to);
  }
  void remove(const Path& path) override {
    refuse("unlink", path);
    inner().remove(path);
  }

 private:
  [[nodiscard]] bool is_theirs(const Path& path) const {
    return std::find(theirs_.begin(), theirs_.end(), path.filename()) != theirs_.end();
  }
  void refuse(const char* call, const Path& path) const {
    if (!is_theirs(path)) return;
    throw StorageError(
        fmt::format("{} failed for '{}': Operation not permitted", call, path.string()), EPERM);
  }

  std::vector<std::string> theirs_;
};

// Each file in turn, and all of them.
TEST_P(Faults, OfFilesThatAreSomebodyElsesLeaveTheOldCheckpoint) {
  save_first();
  const std::vector<std::string> old_files = files();
  for (std::size_t i = 0; i <= old_files.size(); ++i) {
    SCOPED_TRACE(i);
    new_values();
    OthersFiles storage(i < old_files.size() ? std::vector{old_files[i]} : old_files);
    EXPECT_THROW(save_second(storage), StorageError);
    EXPECT_THAT(files(), ElementsAreArray(old_files));
    const auto copy = poisoned_copy(builder_.tree);
    load(copy, path_, {}, storage);
    EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder_.tree)));
  }
}

TEST_P(Faults, OfAFileSystemWithoutLinksDoNotStopASave) {
  save_first();
  new_values();
  FaultyStorage storage;
  storage.forbid_links();
  save_second(storage);
  EXPECT_TRUE(holds(other_));
  for (const std::string& file : files()) EXPECT_FALSE(file.starts_with("."));
}

constexpr Way kFewer{"s.weights.json", 40, 80}, kMore{"t.weights.json", 80, 40};
const auto kFirstLetter = [](const auto& info) { return std::string(1, info.param.name[0]); };

INSTANTIATE_TEST_SUITE_P(Ways, Faults,
                         ::testing::Values(Way{"m.weights.h5", {}, {}}, Way{"n.keras", {}, {}},
                                           kFewer, kMore),
                         kFirstLetter);
INSTANTIATE_TEST_SUITE_P(Ways, ShardFaults, ::testing::Values(kFewer, kMore), kFirstLetter);

}  // namespace
}  // namespace lamina::checkpoint
