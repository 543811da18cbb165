// What goes wrong while a model is trained: one clear error, and the last checkpoint is there.
#include <gmock/gmock.h>

#include <limits>

#include "fit_helpers.h"
#include "tests/fakes/file_size_limit.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Does something when an epoch ends, before anything is saved.
class AtEpochEnd : public Callback {
 public:
  explicit AtEpochEnd(std::function<void(FitRun&, std::int64_t)> work) : work_(std::move(work)) {}
  void on_epoch_end(FitRun& run, std::int64_t epoch, Logs&) override { work_(run, epoch); }

 private:
  std::function<void(FitRun&, std::int64_t)> work_;
};

ModelPtr compiled() {
  const ModelPtr model = classifier();
  model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  return model;
}

class FitOnAFullDisk : public ::testing::TestWithParam<bool> {};

TEST_P(FitOnAFullDisk, EndsWithTheErrorAndTheLastCheckpointLoads) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const ModelPtr model = compiled();
  std::optional<lamina::testing::FileSizeLimit> full;
  std::vector<std::vector<Tensor>> saved;  // while there was room
  const auto fill = std::make_shared<AtEpochEnd>([&](FitRun&, std::int64_t epoch) {
    if (epoch == 2) full.emplace(1000);
    if (!full) saved.push_back(values_of(model->variables()));
  });
  const std::string message = message_of([&] {
    (void)model->fit(
        data.x, data.y,
        {.epochs = 5,
         .verbose = Verbose::kSilent,
         .callbacks = {fill, callbacks::ModelCheckpoint({.filepath = scratch / "last.weights.h5",
                                                         .asynchronous = GetParam()})}});
  });
  full.reset();
  EXPECT_THAT(message, AllOf(HasSubstr((scratch / "").string()), HasSubstr("File too large")));
  const ModelPtr loaded = compiled();
  loaded->load_weights(scratch / "last.weights.h5");
  const auto values = values_of(loaded->variables());
  const auto same = [&](const std::vector<Tensor>& other) {
    return std::equal(values.begin(), values.end(), other.begin(), other.end(), bitwise_equal);
  };
  ASSERT_EQ(saved.size(), 2u);
  // A save in the background may have met the full disk one epoch earlier.
  EXPECT_TRUE(same(saved[1]) || (GetParam() && same(saved[0])));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "")) {
    ++files;
    EXPECT_EQ(entry.path().filename(), "last.weights.h5");
  }
  EXPECT_EQ(files, 1u);
  model->save_weights(scratch / "last.weights.h5");  // with room again, all is well
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FitOnAFullDisk, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Asynchronous" : "AtOnce"; });

TEST(FitFailures, ALossThatIsNotANumberIsReportedAndEndsARunThatAsksForIt) {
  Random random;
  const Spokes data(random, 60);
  Tensor bad = data.x.clone();
  bad.data<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  const ModelPtr model = compiled();
  const History history = model->fit(bad, data.y,
                                     {.batch_size = 60,
                                      .epochs = 5,
                                      .verbose = Verbose::kSilent,
                                      .callbacks = {callbacks::TerminateOnNaN()}});
  ASSERT_EQ(history.epoch.size(), 1u);
  EXPECT_TRUE(std::isnan(history.history.at("loss")[0]));
}

TEST(FitFailures, WithoutMemoryForAStepNothingChangesAndThereIsAnError) {
  set_random_seed(1);
  auto x = layers::Input({.shape = {4, 4, 1}});
  // 2^42 floats are more than any address space that this test will meet has room for.
  auto y = layers::UpSampling2D({.size = {1 << 19, 1 << 19}})(x);
  y = layers::Dense({.units = 3, .activation = "softmax"})(layers::GlobalAveragePooling2D()(y));
  const ModelPtr model = Functional::create(x, y);
  model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  const auto before = values_of(model->variables());
  Random random;
  const std::string message = message_of([&] {
    (void)model->fit(random.tensor({2, 4, 4, 1}), random.classes({2}, 3),
                     {.verbose = Verbose::kSilent});
  });
  EXPECT_THAT(message, AllOf(HasSubstr("memory"), HasSubstr("bytes")));
  const auto after = values_of(model->variables());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(bitwise_equal(before[i], after[i]));
}

}  // namespace
}  // namespace lamina
