// The names of callbacks' classes, which files of runs have: none of them may ever change.
#include <gtest/gtest.h>
#include <lamina/callbacks.h>

#include "tests/training/fit_helpers.h"

namespace lamina {

/// Of namespaces, named and not, and with what a name may end in.
class MineCallback : public Callback {};

namespace {

class Inner : public MineCallback {};
struct Callback2 : public Callback {};

TEST(CallbackNames, OfTheLibraryAreTheseForGood) {
  EXPECT_EQ(callbacks::ModelCheckpoint({.filepath = "f.weights.h5"})->class_name(),
            "ModelCheckpoint");
  EXPECT_EQ(callbacks::BackupAndRestore({.backup_dir = "d"})->class_name(), "BackupAndRestore");
  EXPECT_EQ(callbacks::EarlyStopping()->class_name(), "EarlyStopping");
  EXPECT_EQ(callbacks::ReduceLROnPlateau()->class_name(), "ReduceLROnPlateau");
  EXPECT_EQ(callbacks::LearningRateScheduler([](auto, double rate) { return rate; })->class_name(),
            "LearningRateScheduler");
  EXPECT_EQ(callbacks::CSVLogger({.filename = "log.csv"})->class_name(), "CsvLogger");
  EXPECT_EQ(callbacks::TensorBoard()->class_name(), "TensorBoard");
  EXPECT_EQ(callbacks::TerminateOnNaN()->class_name(), "TerminateOnNaN");
  EXPECT_EQ(callbacks::LambdaCallback({})->class_name(), "LambdaCallback");
  EXPECT_EQ(callbacks::SwapEMAWeights()->class_name(), "SwapEMAWeights");
}

TEST(CallbackNames, OfOthersAreThoseOfTheirClasses) {
  class Local : public Callback {};
  class StatesItsOwn : public Callback {
   public:
    std::string class_name() const override { return "a::Name of its own"; }
  };
  EXPECT_EQ(Callback().class_name(), "Callback");
  EXPECT_EQ(MineCallback().class_name(), "Mine");
  EXPECT_EQ(Inner().class_name(), "Inner");
  EXPECT_EQ(Callback2().class_name(), "Callback2");
  EXPECT_EQ(Local().class_name(), "Local");
  EXPECT_EQ(StatesItsOwn().class_name(), "a::Name of its own");
  const CallbackPtr held = std::make_shared<MineCallback>();
  EXPECT_EQ(held->class_name(), "Mine");
}

/// Counts how often it is asked for its name.
class Named : public Callback {
 public:
  std::string class_name() const override {
    ++asked;
    return "Named";
  }
  mutable int asked = 0;
};

TEST(CallbackNames, AreAskedForOnceInARun) {
  test::Random random;
  const test::Spokes data(random, 30);
  const ModelPtr model = test::classifier();
  model->compile({.optimizer = "sgd", .loss = "sparse_categorical_crossentropy"});
  const auto named = std::make_shared<Named>();
  (void)model->fit(
      data.x, data.y,
      {.batch_size = 10, .epochs = 2, .verbose = Verbose::kSilent, .callbacks = {named}});
  EXPECT_EQ(named->asked, 1);
}

}  // namespace
}  // namespace lamina
