// A save that died after its commit point, laid out by hand, and the commands that meet it.
#include <gmock/gmock.h>

#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/commit/recovery_record.h"
#include "tests/checkpoint/trees.h"
#include "tests/cli/binary.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace fs = std::filesystem;
using namespace lamina;
using namespace lamina::checkpoint;
using lamina::testing::Outcome;
using lamina::testing::random_tensor;
using lamina::testing::run_lamina;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TreeBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

class Recover : public ::testing::Test {
 protected:
  Recover() {
    for (const char* folder : {"old", "new"}) {
      fs::create_directory(directory_ / folder);
      save_two_shards(directory_ / folder / "w.weights.json");
    }
    for (const std::string& name : names_) put("old", name, name);
    // The first shard is in its place already, the others are to follow.
    put("new", names_[0], names_[0]);
    for (const std::string& name : {names_[1], names_[2]}) put("new", name, hidden(name));
    put_record({save_, HiddenCopy::kNew, names_, {}});
  }

  void save_two_shards(const fs::path& path) {
    TreeBuilder builder;
    builder.layer("layers/a", "a", {random_tensor(random_, {8}, DType::kFloat32)});
    builder.layer("layers/b", "b", {random_tensor(random_, {8}, DType::kFloat32)});
    SaveRequest request;
    request.max_shard_size = 40.0 / (1 << 30);
    save(builder.tree, path, request);
  }
  void put(const fs::path& from, const std::string& name, const std::string& as) {
    fs::copy_file(directory_ / from / name, directory_ / as, fs::copy_options::overwrite_existing);
  }
  void put_record(const RecoveryRecord& record, std::size_t torn = 0) {
    const std::string text = record_text(record, "w.weights.json");
    std::ofstream(directory_ / ".w.weights.json.recovery") << text.substr(0, text.size() - torn);
  }
  [[nodiscard]] std::string hidden(const std::string& name,
                                   HiddenCopy copy = HiddenCopy::kNew) const {
    return hidden_name(name, save_, copy);
  }
  /// The checkpoint is that of this folder, and whole, and nothing hidden is left.
  void expect(const std::string& folder) {
    const Outcome diff =
        run_lamina(directory_.path(), {"diff", "w.weights.json", folder + "/w.weights.json"});
    EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
    const Outcome verified = run_lamina(directory_.path(), {"verify", "w.weights.json"});
    EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename();
      EXPECT_TRUE(!name.starts_with('.') || name.starts_with(".std")) << name;
    }
  }

  const std::vector<std::string> names_{"w_00000.weights.h5", "w_00001.weights.h5",
                                        "w.weights.json"};
  const std::string save_ = make_save_name();
  std::mt19937 random_{lamina::test::fresh_seed()};
  TemporaryDirectory directory_;
};

TEST_F(Recover, FinishesTheSaveAndSaysSo) {
  const Outcome outcome = run_lamina(directory_.path(), {"recover", "."});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "w.weights.json: recovered\n");
  expect("new");
  EXPECT_EQ(run_lamina(directory_.path(), {"recover", "."}).out, "nothing to recover\n");
}

TEST_F(Recover, IsNotNeededBeforeOtherCommands) {
  const Outcome outcome = run_lamina(directory_.path(), {"inspect", "w.weights.json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(directory_ / ".w.weights.json.recovery"));
  expect("new");
}

// An error on the way turned the record round, and then the process died.
TEST_F(Recover, UndoesASaveThatFailed) {
  for (const std::string& name : names_) put("old", name, hidden(name, HiddenCopy::kOld));
  put("new", "w_00001.weights.h5", "w_00002.weights.h5");  // in its place, and none was there
  put_record({save_, HiddenCopy::kOld, names_, {"w_00002.weights.h5"}});
  const Outcome outcome = run_lamina(directory_.path(), {"recover", "."});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "w.weights.json: recovered\n");
  expect("old");
  EXPECT_FALSE(fs::exists(directory_ / "w_00002.weights.h5"));
}

// The process died while it wrote: its last file is cut short, and its record never was in force.
TEST_F(Recover, RemovesTheFilesOfASaveThatWasNotComplete) {
  put("old", names_[0], names_[0]);
  put("new", names_[0], hidden(names_[0]));
  fs::resize_file(directory_ / hidden(names_[1]),
                  fs::file_size(directory_ / hidden(names_[1])) / 2);
  put_record({save_, HiddenCopy::kNew, names_, {}}, 1 + random_() % 8);
  const Outcome outcome = run_lamina(directory_.path(), {"recover", "."});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(".w.weights.json.recovery: removed\n"));
  for (const std::string& name : names_) {
    EXPECT_THAT(outcome.out, HasSubstr(hidden(name) + ": removed\n"));
  }
  expect("old");
}

TEST_F(Recover, NamesADirectoryThatIsNotThere) {
  const Outcome outcome = run_lamina(directory_.path(), {"recover", "absent"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("absent"));
}

}  // namespace
