#include <gmock/gmock.h>
#include <lamina/log.h>

#include "tests/training/callbacks/scripted_run.h"
#include "tests/training/fit_helpers.h"
#include "training/callbacks/path_pattern.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::HasSubstr;

TEST(ModelCheckpoint, SavesEachEpochUnderItsName) {
  const Scratch scratch;
  const Trained run({0.5, 0.25},
                    {callbacks::ModelCheckpoint(
                        {.filepath = scratch / "sub/w{epoch:02d}-{score:.2f}.weights.h5"})});
  EXPECT_TRUE(std::filesystem::exists(scratch / "sub/w01-0.50.weights.h5"));
  const ModelPtr again = classifier(99);
  again->compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}),
                  .loss = "sparse_categorical_crossentropy"});
  again->load_weights(scratch / "sub/w02-0.25.weights.h5");
  expect_same_bits(*run.model, *again);
}

TEST(ModelCheckpoint, KeepsTheBestOnly) {
  const Scratch scratch;
  const Trained run({3, 1, 2},
                    {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5",
                                                 .monitor = "score",
                                                 .save_best_only = true,
                                                 .mode = callbacks::Mode::kMin})});
  EXPECT_TRUE(std::filesystem::exists(scratch / "1.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2.weights.h5"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "3.weights.h5"));
}

TEST(ModelCheckpoint, SavesEachEpochWhereNothingSaysWhichIsTheBest) {
  const Scratch scratch;
  std::string warning;
  const WarningHandler before =
      set_warning_handler([&](std::string_view text) { warning = std::string(text); });
  const Trained run({3, 4}, {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5",
                                                         .monitor = "other",
                                                         .save_best_only = true,
                                                         .mode = callbacks::Mode::kMin})});
  set_warning_handler(before);
  EXPECT_EQ(warning, "Can save best model only with other available.");
  EXPECT_TRUE(std::filesystem::exists(scratch / "1.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2.weights.h5"));
}

TEST(ModelCheckpoint, GoesByWhatTheMetricSaysIsBetter) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  const auto fit = [&](const std::string& monitor, bool save_best_only) {
    const ModelPtr model = classifier();
    const MetricPtr metric =
        std::make_shared<Scripted>("my_acc", Direction::kDown, std::vector<double>{3, 4, 1});
    model->compile(
        {.optimizer = "sgd", .loss = "sparse_categorical_crossentropy", .metrics = {metric}});
    (void)model->fit(
        data.x, data.y,
        {.epochs = 3,
         .verbose = Verbose::kSilent,
         .callbacks = {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}.weights.h5",
                                                   .monitor = monitor,
                                                   .save_best_only = save_best_only})}});
  };
  fit("my_acc", true);
  EXPECT_TRUE(std::filesystem::exists(scratch / "1.weights.h5"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "2.weights.h5"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "3.weights.h5"));
  EXPECT_THAT(message_of([&] { fit("score", true); }),
              HasSubstr("ModelCheckpoint callback received monitor=score"));
  fit("score", false);  // looks at none
}

TEST(ModelCheckpoint, SavesEverySoManyBatchesInShardsToo) {
  const Scratch scratch;
  const Trained run(
      {0, 0},
      {callbacks::ModelCheckpoint({.filepath = scratch / "{epoch}-{batch}.weights.json",
                                   .save_freq = 3,
                                   .save = {.max_shard_size = 3e-7}})},
      40);
  EXPECT_TRUE(std::filesystem::exists(scratch / "1-3.weights.json"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2-2.weights.json"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "2-2_00001.weights.h5"));
  const ModelPtr again = classifier(99);
  again->load_weights(scratch / "2-2.weights.json");
}

TEST(ModelCheckpoint, SavesWholeModelsThatGoOn) {
  Random random;
  const Spokes data(random);
  const Scratch scratch;
  const ModelPtr model = classifier(7, 0);
  model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.01}),
                  .loss = losses::SparseCategoricalCrossentropy(),
                  .metrics = {"accuracy"}});
  (void)model->fit(data.x, data.y,
                   {.epochs = 2,
                    .verbose = Verbose::kSilent,
                    .callbacks = {callbacks::ModelCheckpoint(
                        {.filepath = scratch / "{epoch}.keras", .save_weights_only = false})}});
  const ModelPtr first = Model::load(scratch / "1.keras"), last = Model::load(scratch / "2.keras");
  ASSERT_TRUE(first->optimizer() && last->optimizer());
  EXPECT_EQ(2 * first->optimizer()->steps(), model->optimizer()->steps());
  EXPECT_EQ(last->optimizer()->steps(), model->optimizer()->steps());
  EXPECT_EQ(last->train_on_batch(data.x, data.y), model->train_on_batch(data.x, data.y));
}

class OwnModel final : public Functional {
 public:
  OwnModel(const SymbolicTensor& x, const SymbolicTensor& y)
      : Functional({x}, {y}, {.name = "own"}) {}
};

TEST(ModelCheckpoint, RefusesModelsThatCannotBeWrittenBeforeTheFirstBatch) {
  Random random;
  const Spokes data(random, 20);
  const Scratch scratch;
  const auto x = layers::Input({.shape = {4}});
  const auto model =
      std::make_shared<OwnModel>(x, layers::Dense({.units = 3, .activation = "softmax"})(x));
  model->compile({.optimizer = optimizers::SGD(), .loss = "sparse_categorical_crossentropy"});
  const auto fit = [&](bool weights_only) {
    const char* name = weights_only ? "m.weights.h5" : "m.keras";
    (void)model->fit(data.x, data.y,
                     {.verbose = Verbose::kSilent,
                      .callbacks = {callbacks::ModelCheckpoint(
                          {.filepath = scratch / name, .save_weights_only = weights_only})}});
  };
  EXPECT_THAT(message_of([&] { fit(false); }),
              HasSubstr("Layer 'own' (Functional) cannot be written to a configuration"));
  EXPECT_EQ(model->optimizer()->steps(), 0);
  fit(true);
  EXPECT_EQ(model->optimizer()->steps(), 1);
}

TEST(ModelCheckpoint, RefusesNamesThatNoWeightsCanHave) {
  EXPECT_THROW((void)callbacks::ModelCheckpoint({.filepath = "model.keras"}), ValueError);
  EXPECT_THROW((void)callbacks::ModelCheckpoint({.filepath = "w.weights.h5", .save_freq = 0}),
               ValueError);
  EXPECT_THAT(
      message_of([] {
        (void)callbacks::ModelCheckpoint({.filepath = "w.weights.h5", .save_weights_only = false});
      }),
      HasSubstr("must end in `.keras` (Keras model format). Received: filepath=w.weights.h5"));
  EXPECT_THAT(message_of([] {
                (void)callbacks::ModelCheckpoint(
                    {.filepath = "m.keras", .save_weights_only = false, .asynchronous = true});
              }),
              HasSubstr("background"));
  EXPECT_THAT(
      message_of([] {
        (void)callbacks::ModelCheckpoint(
            {.filepath = "m.keras", .save_weights_only = false, .save = {.max_shard_size = 1.0}});
      }),
      HasSubstr("shards"));
  EXPECT_THAT(message_of([] {
                (void)training::fill_pattern("{val_loss}", 1, {}, {{"loss", 1}});
              }),
              HasSubstr("epoch, loss"));
}

}  // namespace
}  // namespace lamina
