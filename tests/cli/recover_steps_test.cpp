// What a CheckpointManager's process left that died, laid out by hand.
#include <gmock/gmock.h>

#include "checkpoint/commit/hidden_names.h"
#include "storage/storage.h"
#include "tests/cli/binary.h"
#include "tests/fakes/temporary_directory.h"

namespace fs = std::filesystem;
using lamina::checkpoint::make_save_name;
using lamina::testing::Outcome;
using lamina::testing::run_lamina;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;

namespace {

TEST(RecoverSteps, PutsBackAndRemovesAndSaysSo) {
  const TemporaryDirectory directory;
  const fs::path run = directory / "run";
  const std::string save = make_save_name();
  const std::string making = ".step_00000003." + save + ".making";
  const std::string replaced = ".step_00000002." + save + ".replaced";
  for (const std::string& name : {std::string("step_00000001"), making, replaced}) {
    fs::create_directories(run / name);
    std::ofstream(run / name / "model.weights.h5") << name;
  }
  const Outcome outcome = run_lamina(directory.path(), {"recover", "run"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "step_00000002: recovered\n" + making + ": removed\n");
  EXPECT_THAT(lamina::storage::posix().list(run), ElementsAre("step_00000001", "step_00000002"));
  EXPECT_EQ(lamina::testing::file_content(run / "step_00000002" / "model.weights.h5"), replaced);
  EXPECT_EQ(run_lamina(directory.path(), {"recover", "run"}).out, "nothing to recover\n");
}

}  // namespace
