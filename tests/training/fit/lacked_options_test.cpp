// Configurations may ask training for what Lamina lacks: such models predict, and nothing trains
// them to other weights in silence.
#include <gmock/gmock.h>

#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// Dense layers "body" and "head" on 4 features. `options` are the head's, as JSON behind a comma.
ModelPtr configured(const std::string& options, bool with_input = true) {
  const std::string input =
      R"({"module": "keras.layers", "class_name": "InputLayer", "registered_name": null,
          "config": {"name": "in", "batch_shape": [null, 4]}},)";
  return Model::from_json_text(
      R"({"module": "keras", "class_name": "Sequential", "registered_name": null,
          "config": {"name": "s", "layers": [)" +
      (with_input ? input : "") +
      R"({"module": "keras.layers", "class_name": "Dense", "registered_name": null,
          "config": {"name": "body", "units": 3}},
         {"module": "keras.layers", "class_name": "Dense", "registered_name": null,
          "config": {"name": "head", "units": 2)" +
      options + "}}]}}");
}

void compile(Model& model) {
  model.compile({.optimizer = "sgd", .loss = "mse"});
}

constexpr const char* kLacked =
    R"(, "kernel_regularizer": {"module": "keras.regularizers", "class_name": "Newer",
                                "config": {"factor": 0.01, "mode": "rows"},
                                "registered_name": null})";

TEST(LackedOptions, AreRefusedInTrainingByLayerAndName) {
  Random random;
  const std::pair<const char*, const char*> cases[] = {
      {kLacked, R"(kernel_regularizer Newer {"factor":0.01,"mode":"rows"})"},
      {R"(, "activity_regularizer": {"class_name": "OrthogonalRegularizer",
                                     "config": {"factor": 0.5}})",
       R"(activity_regularizer OrthogonalRegularizer {"factor":0.5})"},
      {R"(, "bias_regularizer": "mine")", "bias_regularizer mine"},
      {R"(, "activity_regularizer": {"class_name": "Mine", "config": {}})",
       "activity_regularizer Mine"},
      // Classes of somebody else's under Keras's names.
      {R"(, "kernel_regularizer": {"module": "mine", "class_name": "L2", "config": {"l2": 1.0},
                                   "registered_name": "L2"})",
       R"(kernel_regularizer L2 {"l2":1.0})"},
      {R"(, "bias_constraint": {"module": null, "class_name": "NonNeg", "config": {},
                                "registered_name": "mine>NonNeg"})",
       "bias_constraint NonNeg"},
      // What Keras refuses.
      {R"(, "kernel_regularizer": {"class_name": "L2", "config": {"l2": -1.0}})",
       R"(kernel_regularizer L2 {"l2":-1.0})"},
      {R"(, "kernel_constraint": {"class_name": "MaxNorm", "config": {"axis": []}})",
       R"(kernel_constraint MaxNorm {"axis":[]})"},
      {R"(, "kernel_constraint": {"class_name": "UnitNorm", "config": {"norm": 2}})",
       R"(kernel_constraint UnitNorm {"norm":2})"},
      {R"(, "kernel_constraint": {"class_name": "Mine", "config": {}})", "kernel_constraint Mine"},
  };
  for (const auto& [options, words] : cases) {
    const ModelPtr model = configured(options);
    EXPECT_EQ(model->predict(random.tensor({3, 4})).shape(), (Shape{3, 2}));
    const auto refusal = AllOf(HasSubstr("Layer 'head' (Dense): "), HasSubstr(words),
                               HasSubstr("is not supported in training"));
    EXPECT_THAT(message_of([&] { compile(*model); }), refusal);
    EXPECT_THAT(message_of([&] { (void)GradientTape(*model); }), refusal);
  }
  EXPECT_THAT(
      message_of(
          [] { compile(*configured(std::string(kLacked) + R"(, "bias_constraint": "mine")")); }),
      AllOf(HasSubstr("kernel_regularizer Newer"), HasSubstr("the first of 2 such options")));
}

TEST(LackedOptions, OfLayersThatAreBuiltLaterAreFoundBeforeAnythingIsTrained) {
  Random random;
  const Tensor x = random.tensor({6, 4}), y = random.tensor({6, 2});
  const ModelPtr model = configured(kLacked, false);
  compile(*model);
  const auto refusal = HasSubstr("Layer 'head' (Dense): kernel_regularizer Newer");
  EXPECT_THAT(message_of([&] { (void)model->train_on_batch(x, y); }), refusal);
  EXPECT_THAT(message_of([&] { (void)model->fit(x, y, {.verbose = Verbose::kSilent}); }), refusal);
  EXPECT_THAT(message_of([&] { (void)model->evaluate(x, y, {.verbose = Verbose::kSilent}); }),
              refusal);
}

// Whose variables are of layers inside.
TEST(LackedOptions, OfRecurrentLayersAreRefused) {
  const std::string lstm =
      R"({"module": "keras.layers", "class_name": "LSTM", "registered_name": null,
          "config": {"name": "memory", "units": 2, "recurrent_regularizer": "mine"}})";
  for (const std::string& layer :
       {lstm, R"({"module": "keras.layers", "class_name": "Bidirectional", "registered_name": null,
                  "config": {"name": "both", "layer": )" +
                  lstm + "}}"}) {
    const ModelPtr model = Model::from_json_text(
        R"({"module": "keras", "class_name": "Sequential", "registered_name": null,
            "config": {"name": "s", "layers": [
              {"module": "keras.layers", "class_name": "InputLayer", "registered_name": null,
               "config": {"name": "in", "batch_shape": [null, 3, 4]}}, )" +
        layer + "]}}");
    EXPECT_THAT(message_of([&] { compile(*model); }),
                AllOf(HasSubstr("memory' (LSTM): recurrent_regularizer mine"),
                      HasSubstr("is not supported in training")));
  }
}

TEST(LackedOptions, DoNotMatterWhereTheyAreNullOrTheirVariablesAreNotTrained) {
  Random random;
  const Tensor x = random.tensor({6, 4}), y = random.tensor({6, 2});
  const ModelPtr plain = configured(R"(, "kernel_regularizer": null, "bias_constraint": null)");
  compile(*plain);
  (void)plain->train_on_batch(x, y);

  const ModelPtr frozen = configured(kLacked);
  frozen->get_layer("head")->set_trainable(false);
  compile(*frozen);
  (void)frozen->train_on_batch(x, y);

  // That of the outputs adds to the loss all the same.
  const ModelPtr active = configured(R"(, "activity_regularizer": "mine")");
  active->get_layer("head")->set_trainable(false);
  EXPECT_THAT(message_of([&] { compile(*active); }), HasSubstr("activity_regularizer mine"));

  // Until another one takes its place.
  active->get_layer("head")->set_activity_regularizer(regularizers::L2{0.5});
  compile(*active);
  (void)active->train_on_batch(x, y);
}

}  // namespace
}  // namespace lamina
