// A save that died after its commit point, laid out by hand, and the commands that meet it.
#include <gmock/gmock.h>

#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/recovery_record.h"
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
    const std::string index = "w.weights.json", save = make_save_name();
    save_two_shards(directory_ / index);
    fs::create_directory(directory_ / "new");
    save_two_shards(directory_ / "new" / index);
    const std::vector<std::string> names{"w_00000.weights.h5", "w_00001.weights.h5", index};
    // The first shard is in its place already, the others are to follow.
    fs::copy_file(directory_ / "new" / names[0], directory_ / names[0],
                  fs::copy_options::overwrite_existing);
    for (const std::string& name : {names[1], names[2]}) {
      fs::copy_file(directory_ / "new" / name, directory_ / hidden_name(name, save, Copy::kNew));
    }
    std::ofstream(directory_ / ".w.weights.json.recovery")
        << record_text({save, Copy::kNew, names, {}}, index);
  }

  void save_two_shards(const fs::path& path) {
    TreeBuilder builder;
    builder.layer("layers/a", "a", {random_tensor(random_, {8}, DType::kFloat32)});
    builder.layer("layers/b", "b", {random_tensor(random_, {8}, DType::kFloat32)});
    SaveRequest request;
    request.max_shard_size = 40.0 / (1 << 30);
    save(builder.tree, path, request);
  }
  void expect_new() {
    const Outcome diff =
        run_lamina(directory_.path(), {"diff", "w.weights.json", "new/w.weights.json"});
    EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename();
      EXPECT_TRUE(!name.starts_with('.') || name.starts_with(".std")) << name;
    }
  }

  std::mt19937 random_{lamina::test::fresh_seed()};
  TemporaryDirectory directory_;
};

TEST_F(Recover, FinishesTheSaveAndSaysSo) {
  const Outcome outcome = run_lamina(directory_.path(), {"recover", "."});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "w.weights.json: recovered\n");
  expect_new();
  EXPECT_EQ(run_lamina(directory_.path(), {"recover", "."}).out, "nothing to recover\n");
}

TEST_F(Recover, IsNotNeededBeforeOtherCommands) {
  const Outcome outcome = run_lamina(directory_.path(), {"inspect", "w.weights.json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_FALSE(fs::exists(directory_ / ".w.weights.json.recovery"));
  expect_new();
}

TEST_F(Recover, NamesADirectoryThatIsNotThere) {
  const Outcome outcome = run_lamina(directory_.path(), {"recover", "absent"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("absent"));
}

}  // namespace
