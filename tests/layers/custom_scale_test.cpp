// InceptionResNetV2's CustomScaleLayer beside what keras_cases.json holds it to.
#include <lamina/layers/applications.h>

#include <nlohmann/json.hpp>

#include "layers/config/registry.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using CustomScale = MaskScene;

}  // namespace

TEST_F(CustomScale, InputsBroadcastAgainstEachOther) {
  const SymbolicTensor x = input({kNone, 3, 1}), y = input({2, 1, 4});
  const auto model = Functional::create({x, y}, {L::CustomScaleLayer({.scale = -0.7})({x, y})});
  EXPECT_EQ(model->outputs()[0].shape(), (Shape{2, 3, 4}));
  const Tensor a = normal({2, 3, 1}), b = normal({2, 1, 4});
  const Tensor sum = model->predict(std::vector<Tensor>{a, b}).at(0);
  ASSERT_EQ(sum.shape(), (Shape{2, 3, 4}));
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      for (std::int64_t k = 0; k < 4; ++k) {
        EXPECT_NEAR(at(sum, {i, j, k}), at(a, {i, j, 0}) - 0.7 * at(b, {i, 0, k}), 1e-14);
      }
    }
  }
}

TEST_F(CustomScale, RefusesInputsThatDoNotFit) {
  const LayerRef layer = L::CustomScaleLayer({.scale = 0.5, .name = "c"});
  const auto on = [&](const SymbolicTensors& inputs) {
    return [&layer, inputs] { (void)layer(inputs); };
  };
  const SymbolicTensor x = input({2, 3, 4});
  expect_words<ValueError>(on({x}), "Layer \"c\" expects 2 input(s)");
  expect_words<ValueError>(on({x, x, x}), "Layer \"c\" expects 2 input(s)");
  for (const Shape& other : {Shape{2, 3, 5}, Shape{3, 3, 4}, Shape{2, 3}}) {
    expect_words<ValueError>(on({x, input(other)}),
                             "Layer 'c' (CustomScaleLayer): Inputs have incompatible shapes. "
                             "Received shapes [(2, 3, 4), " +
                                 other.str() + "]");
  }
}

TEST_F(CustomScale, TakesMasksAwayAndWarns) {
  lamina::testing::CapturedWarnings warnings;
  const SymbolicTensor ids = input({3, 5}, "int32");
  const SymbolicTensor x = L::Embedding({.input_dim = 7, .output_dim = 4, .mask_zero = true})(ids);
  const SymbolicTensor sum = L::CustomScaleLayer({.scale = 0.5, .name = "c"})({x, x});
  const auto model = Functional::create({ids}, {sum, L::GlobalAveragePooling1D()(sum)});
  randomize(*model);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{sentences(3, 5)});
  for (std::int64_t b = 0; b < 3; ++b) {
    for (std::int64_t f = 0; f < 4; ++f) {
      double total = 0;
      for (std::int64_t t = 0; t < 5; ++t) total += at(out[0], {b, t, f});
      EXPECT_NEAR(at(out[1], {b, f}), total / 5, 1e-12);
    }
  }
  ASSERT_EQ(warnings.all.size(), 1u);
  EXPECT_NE(warnings.all[0].find("Layer 'c' (of type CustomScaleLayer)"), std::string::npos);
}

// Keras finds the class by its module, in a model and around a layer.
TEST_F(CustomScale, IsWrittenWithTheModuleThatHasIt) {
  const LayerRef layer = L::CustomScaleLayer({.scale = 0.25});
  const nlohmann::json config = layers::layer_to_config(*layer);
  EXPECT_EQ(layers::object_of_layer(*layer, config),
            (nlohmann::json{{"module", "keras.src.applications.inception_resnet_v2"},
                            {"class_name", "CustomScaleLayer"},
                            {"config", config},
                            {"registered_name", "CustomScaleLayer"}}));
  EXPECT_EQ(config["scale"], 0.25);
  const SymbolicTensor x = input({2, 3});
  const auto model = Functional::create({x}, {layer({x, x})});
  const auto object = nlohmann::json::parse(model->to_json())["config"]["layers"][1];
  EXPECT_EQ(object["module"], "keras.src.applications.inception_resnet_v2");
  EXPECT_EQ(object["registered_name"], "CustomScaleLayer");
  EXPECT_EQ(Model::from_json_text(model->to_json())->to_json(), model->to_json());
}
