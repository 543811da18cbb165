// Configurations may ask training for what Lamina lacks: such models predict, and nothing trains
// them to other weights in silence.
#include <gmock/gmock.h>

#include "fit_helpers.h"

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

constexpr const char* kL2 =
    R"(, "kernel_regularizer": {"module": "keras.regularizers", "class_name": "L2",
                                "config": {"l2": 0.01}, "registered_name": null})";

TEST(LackedOptions, AreRefusedInTrainingByLayerAndName) {
  Random random;
  const std::pair<const char*, const char*> cases[] = {
      {kL2, "kernel_regularizer L2"},
      {R"(, "bias_regularizer": "l1")", "bias_regularizer l1"},
      {R"(, "activity_regularizer": {"class_name": "L1L2", "config": {}})",
       "activity_regularizer L1L2"},
      {R"(, "kernel_constraint": {"class_name": "MaxNorm", "config": {}})",
       "kernel_constraint MaxNorm"},
      {R"(, "bias_constraint": {"class_name": "NonNeg", "config": {}})", "bias_constraint NonNeg"},
  };
  for (const auto& [options, words] : cases) {
    const ModelPtr model = configured(options);
    EXPECT_EQ(model->predict(random.tensor({3, 4})).shape(), (Shape{3, 2}));
    const auto refusal = AllOf(HasSubstr("Layer 'head' (Dense): "), HasSubstr(words),
                               HasSubstr("is not supported in training"));
    EXPECT_THAT(message_of([&] { compile(*model); }), refusal);
    EXPECT_THAT(message_of([&] { (void)GradientTape(*model); }), refusal);
  }
  EXPECT_THAT(message_of([] {
                compile(*configured(std::string(kL2) + R"(, "bias_constraint": "non_neg")"));
              }),
              AllOf(HasSubstr("kernel_regularizer L2"), HasSubstr("the first of 2 such options")));
}

TEST(LackedOptions, OfLayersThatAreBuiltLaterAreFoundBeforeAnythingIsTrained) {
  Random random;
  const Tensor x = random.tensor({6, 4}), y = random.tensor({6, 2});
  const ModelPtr model = configured(kL2, false);
  compile(*model);
  const auto refusal = HasSubstr("Layer 'head' (Dense): kernel_regularizer L2");
  EXPECT_THAT(message_of([&] { (void)model->train_on_batch(x, y); }), refusal);
  EXPECT_THAT(message_of([&] { (void)model->fit(x, y, {.verbose = Verbose::kSilent}); }), refusal);
  EXPECT_THAT(message_of([&] { (void)model->evaluate(x, y, {.verbose = Verbose::kSilent}); }),
              refusal);
}

TEST(LackedOptions, DoNotMatterWhereTheyAreNullOrTheirVariablesAreNotTrained) {
  Random random;
  const Tensor x = random.tensor({6, 4}), y = random.tensor({6, 2});
  const ModelPtr plain = configured(R"(, "kernel_regularizer": null, "bias_constraint": null)");
  compile(*plain);
  (void)plain->train_on_batch(x, y);

  const ModelPtr frozen = configured(kL2);
  frozen->get_layer("head")->set_trainable(false);
  compile(*frozen);
  (void)frozen->train_on_batch(x, y);

  // That of the outputs adds to the loss all the same.
  const ModelPtr active = configured(R"(, "activity_regularizer": "l2")");
  active->get_layer("head")->set_trainable(false);
  EXPECT_THAT(message_of([&] { compile(*active); }), HasSubstr("activity_regularizer l2"));
}

}  // namespace
}  // namespace lamina
