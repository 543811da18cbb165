// LayerScale and StochasticDepth beside what keras_cases.json holds them to.
#include <lamina/error.h>

#include <nlohmann/json.hpp>

#include "tests/fakes/captured_warnings.h"
#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;
using nlohmann::json;

namespace {

using ApplicationLayers = MaskScene;

}  // namespace

TEST_F(ApplicationLayers, LayerScaleMultipliesEachOfTheLastAxis) {
  clear_session();
  const SymbolicTensor x = input({2, 3, 2, 4});
  const LayerRef layer = L::LayerScale({.init_values = 1e-6, .projection_dim = 4, .name = "s"});
  const auto model = Functional::create(x, layer(x));
  const VariablePtr gamma = layer->own_variables().at(0);
  EXPECT_EQ(gamma->path(), "s/variable");  // Keras gives it no name
  EXPECT_TRUE(gamma->trainable());
  for (const double value : gamma->value().data<double>()) EXPECT_EQ(value, 1e-6);
  randomize(*model);
  const Tensor given = normal({2, 3, 2, 4}), y = model->predict(given);
  const auto factors = gamma->value().data<double>();
  for (std::size_t i = 0; i < y.data<double>().size(); ++i) {
    ASSERT_EQ(y.data<double>()[i], given.data<double>()[i] * factors[i % 4]) << i;
  }
}

TEST_F(ApplicationLayers, StochasticDepthIsTheIdentityInPrediction) {
  const SymbolicTensor x = input({2, 3, 4}), ids = input({2, 3}, "int32");
  const LayerRef layer = L::StochasticDepth({.drop_path_rate = 0.9});
  EXPECT_EQ(layer(ids).dtype(), DType::kInt32);
  const auto model = Functional::create(x, layer(x));
  const Tensor given = normal({2, 3, 4});
  EXPECT_TRUE(bitwise_equal(model->predict(given), given));
}

TEST_F(ApplicationLayers, RefuseWhatDoesNotFit) {
  expect_words<ValueError>([] { (void)L::LayerScale({.init_values = 1, .name = "s"}); },
                           "Layer 's' (LayerScale): `projection_dim` must be a positive integer");
  const LayerRef scale = L::LayerScale({.init_values = 1, .projection_dim = 4});
  expect_words<ValueError>(
      [&] {
        (void)scale(input({2, 3}));
      },
      "axis -1 of input shape to have value 4");
  for (const double rate : {-0.1, 1.1}) {
    expect_words<ValueError>([&] { (void)L::StochasticDepth({.drop_path_rate = rate}); },
                             "Invalid value received for argument `drop_path_rate`");
  }
}

// keras.layers does not have them: Keras finds them where they are defined.
TEST_F(ApplicationLayers, ConfigurationsSayInWhichModuleTheyAre) {
  const SymbolicTensor x = input({2, 3, 4});
  SymbolicTensor y = L::LayerScale({.init_values = 0.5, .projection_dim = 4, .name = "s"})(x);
  y = L::StochasticDepth({.drop_path_rate = 0.25, .name = "d"})(y);
  const LayerRef held = L::LayerScale({.init_values = 0.5, .projection_dim = 4});
  y = L::TimeDistributed({.layer = held, .name = "t"})(y);
  const auto model = Functional::create(x, y);
  randomize(*model);
  const std::string text = model->to_json();
  const auto described = [&text](const char* name) {
    const json object = json::parse(text);
    for (const json& layer : object["config"]["layers"]) {
      if (layer["config"]["name"] == name) return layer;
    }
    return json();
  };
  const json scale = described("s"), depth = described("d"),
             inner = described("t")["config"]["layer"];
  for (const json& object : {scale, depth, inner}) {
    EXPECT_EQ(object["module"], "keras.src.applications.convnext");
    EXPECT_EQ(object["registered_name"], object["class_name"]);
  }
  EXPECT_EQ(scale["class_name"], "LayerScale");
  EXPECT_EQ(scale["config"]["init_values"], 0.5);
  EXPECT_EQ(scale["config"]["projection_dim"], 4);
  EXPECT_EQ(scale["build_config"]["input_shape"], json({2, 3, 4}));
  EXPECT_EQ(depth["class_name"], "StochasticDepth");
  EXPECT_EQ(depth["config"]["drop_path_rate"], 0.25);
  EXPECT_EQ(depth["build_config"]["input_shape"], json({2, 3, 4}));
  const ModelPtr again = Model::from_json_text(text);
  again->set_weights(model->get_weights());
  const Tensor given = normal({2, 3, 4});
  EXPECT_TRUE(bitwise_equal(again->predict(given), model->predict(given)));
  EXPECT_EQ(again->to_json(), text);
}

// Keras's too, with a warning, gives the input itself, on which its mask is.
TEST_F(ApplicationLayers, MasksEndAtAScaleAndPassTheIdentity) {
  lamina::testing::CapturedWarnings warnings;
  const SymbolicTensor ids = input({3, 5}, "int32");
  const SymbolicTensor x = L::Embedding({.input_dim = 7, .output_dim = 4, .mask_zero = true})(ids);
  const LayerRef scale = L::LayerScale({.init_values = 2, .projection_dim = 4, .name = "s"});
  const LayerRef depth = L::StochasticDepth({.drop_path_rate = 0.5, .name = "d"});
  const auto model = Functional::create(
      {ids}, {x, L::GlobalAveragePooling1D()(scale(x)), L::GlobalAveragePooling1D()(depth(x))});
  randomize(*model);
  scale->own_variables()[0]->assign(Tensor::from<double>({2, 2, 2, 2}, {4}));
  const Tensor given = sentences(3, 5);
  const std::vector<Tensor> out = model->predict(std::vector<Tensor>{given});
  for (std::int64_t b = 0; b < 3; ++b) {
    for (std::int64_t f = 0; f < 4; ++f) {
      double sum = 0, words_sum = 0, words = 0;
      for (std::int64_t t = 0; t < 5; ++t) {
        sum += at(out[0], {b, t, f});
        if (at(given, {b, t}) == 0) continue;
        words_sum += at(out[0], {b, t, f});
        ++words;
      }
      EXPECT_NEAR(at(out[1], {b, f}), 2 * sum / 5, 1e-12);
      EXPECT_NEAR(at(out[2], {b, f}), words_sum / words, 1e-12);
    }
  }
  ASSERT_EQ(warnings.all.size(), 2u);
  EXPECT_NE(warnings.all[0].find("Layer 's' (of type LayerScale)"), std::string::npos);
  EXPECT_NE(warnings.all[1].find("Layer 'd' (of type StochasticDepth)"), std::string::npos);
}
