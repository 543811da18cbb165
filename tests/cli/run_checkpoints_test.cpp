// Where a run goes on from while another process saves to its directory and removes what it no
// longer keeps.
#include "cli/run_checkpoints.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <lamina/layers.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::cli {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::PassingStorage;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Does something before a file is opened for the n-th time.
class InterruptedStorage final : public PassingStorage {
 public:
  InterruptedStorage(std::size_t before, std::function<void()> action)
      : before_(before), action_(std::move(action)) {}
  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    if (opened_++ == before_) action_();
    return inner().open(path);
  }

 private:
  std::size_t before_, opened_ = 0;
  std::function<void()> action_;
};

class ResumePoint : public ::testing::Test {
 protected:
  /// A manager that keeps one step beside those that `every_n` divides.
  CheckpointManager trainer(std::int64_t every_n = 0) {
    CheckpointManagerOptions options;
    options.directory = directory_.path();
    options.max_to_keep = 1;
    options.keep_every_n = every_n;
    return CheckpointManager(options);
  }
  [[nodiscard]] std::filesystem::path file(std::int64_t step) const {
    return directory_ / fmt::format("step_{:08}", step) / "model.weights.h5";
  }

  TemporaryDirectory directory_{lamina::testing::memory_directory()};
  std::shared_ptr<Sequential> model_ =
      Sequential::create({layers::InputLayer({.shape = Shape{4}}), layers::Dense({.units = 3})});
};

TEST_F(ResumePoint, IsTheNewestThoughAnotherRemovesWhatWasListed) {
  for (const std::int64_t every_n : {0, 30}) {
    bool reached = true;
    for (std::size_t before = 0; reached && !HasFailure(); ++before) {
      SCOPED_TRACE(fmt::format("every {}, before opening {}", every_n, before));
      reached = false;
      for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
        std::filesystem::remove_all(entry);
      }
      for (const std::int64_t step : {30, 100}) trainer(every_n).save(step, *model_);
      InterruptedStorage storage(before, [&] {
        reached = true;
        trainer(every_n).save(200, *model_);
        EXPECT_FALSE(std::filesystem::exists(file(100)));
      });
      const CapturedWarnings warnings;
      const RunCheckpoints checkpoints(directory_.path(), 1, storage);
      const std::filesystem::path found = checkpoints.resume_point();
      // What was read whole before is as good as what came meanwhile.
      EXPECT_TRUE(found == file(200) || (found == file(100) && before > 1)) << found;
      EXPECT_THAT(warnings.all, IsEmpty());
      EXPECT_TRUE(reached || before > 0);
    }
  }
}

TEST_F(ResumePoint, IsChosenAnewWhereAnotherRemovesItBeforeTheRunHasBegun) {
  for (const std::int64_t step : {30, 100}) trainer(30).save(step, *model_);
  RunCheckpoints checkpoints(directory_.path(), 1);
  std::vector<std::filesystem::path> met;
  const CapturedWarnings warnings;
  checkpoints.resume([&](const std::filesystem::path& from) {
    met.push_back(from);
    if (from == file(100)) std::filesystem::remove_all(from.parent_path());
    model_->load_weights(from);
  });
  EXPECT_THAT(met, ElementsAre(file(100), file(30)));
  EXPECT_THAT(warnings.all,
              ElementsAre(HasSubstr("has removed the checkpoint '" + file(100).string() + "'")));
  // Of the last one nothing takes the place, least of all a run from the start.
  const auto remove = [&](const std::filesystem::path& from) {
    std::filesystem::remove_all(from.parent_path());
    model_->load_weights(from);
  };
  try {
    checkpoints.resume(remove);
    ADD_FAILURE() << "was found";
  } catch (const StorageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("has removed the checkpoint '" + file(30).string() + "'"));
    EXPECT_THAT(error.what(), HasSubstr("there is no other"));
  }
}

TEST_F(ResumePoint, StaysWhereTheRunHasBegunOrItIsThereStill) {
  for (const std::int64_t step : {30, 100}) trainer(30).save(step, *model_);
  const CapturedWarnings warnings;
  for (const bool begun : {false, true}) {
    RunCheckpoints checkpoints(directory_.path(), 1);
    int runs = 0;
    EXPECT_THROW(checkpoints.resume([&](const std::filesystem::path& from) {
      ++runs;
      if (begun) {
        checkpoints.begin();
        std::filesystem::remove_all(from.parent_path());
      }
      throw StorageError("The disk is full.", ENOSPC);
    }),
                 StorageError);
    EXPECT_EQ(runs, 1);
  }
  EXPECT_THAT(warnings.all, IsEmpty());
}

TEST_F(ResumePoint, IsNoneWhereThereAreNoCheckpointsAndAnErrorWhereEachIsDamaged) {
  const RunCheckpoints checkpoints(directory_.path(), 3);
  EXPECT_EQ(checkpoints.resume_point(), std::filesystem::path());
  for (const std::int64_t step : {1, 2}) {
    CheckpointManagerOptions options;
    options.directory = directory_.path();
    CheckpointManager(options).save(step, *model_);
    std::filesystem::resize_file(file(step), 100);
  }
  const CapturedWarnings warnings;
  try {
    (void)checkpoints.resume_point();
    ADD_FAILURE() << "was found";
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("each is damaged"));
    EXPECT_THAT(error.what(), HasSubstr("'" + file(2).string() + "'"));
  }
  EXPECT_THAT(warnings.all,
              ElementsAre(HasSubstr("step 2 was skipped: "), HasSubstr("step 1 was skipped: ")));
}

}  // namespace
}  // namespace lamina::cli
