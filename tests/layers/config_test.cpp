#include <gtest/gtest.h>
#include <lamina/layers.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "layers/config/registry.h"
#include "tests/layers/execute.h"

using namespace lamina;
using nlohmann::json;

namespace {

// What making the layer says, or "" when it works.
template <class E = UnsupportedError>
std::string refusal(const char* class_name, const char* config) {
  try {
    (void)layers::layer_from_config(class_name, json::parse(config));
    return "";
  } catch (const E& error) {
    return error.what();
  }
}

void expect_text(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

std::string activation_of(const char* activation) {
  const json config = {{"name", "a"}, {"activation", json::parse(activation)}};
  const LayerPtr layer = layers::layer_from_config("Activation", config);
  const Tensor y = lamina::testing::execute(*layer, {Tensor::from<float>({-2, 1, 9}, {1, 3})})[0];
  std::string text;
  for (const float v : y.data<float>()) text += std::to_string(v + 0.0F).substr(0, 5) + " ";
  return text;
}

}  // namespace

TEST(LayerConfig, AnUnknownClassIsNoLayer) {
  EXPECT_EQ(layers::layer_from_config("Hashing", json::object()), nullptr);
  const auto names = layers::registered_layers();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_NE(std::find(names.begin(), names.end(), "Conv2DTranspose"), names.end());
}

TEST(LayerConfig, MissingOptionsHaveKerasDefaults) {
  const LayerPtr layer =
      layers::layer_from_config("Conv2D", json::parse(R"({"filters": 2, "kernel_size": 3})"));
  layer->build({{1, 9, 9, 4}});
  EXPECT_EQ(layer->own_variables().size(), 2u);
  EXPECT_EQ(layer->compute_output_shape({{1, 9, 9, 4}})[0], (Shape{1, 7, 7, 2}));
}

TEST(LayerConfig, AnUnknownOptionIsRefusedByName) {
  const std::string text = refusal("Dense", R"({"name": "head", "units": 2, "sparsity": 0.5})");
  expect_text(text, "'head'");
  expect_text(text, "Dense");
  expect_text(text, "'sparsity'");
}

TEST(LayerConfig, AValueThatIsNotSupportedIsRefusedWithItsOption) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"BatchNormalization", R"({"name": "x", "renorm": true})", "'renorm'"},
      {"LayerNormalization", R"({"name": "x", "rms_scaling": true})", "'rms_scaling'"},
      {"Dense", R"({"name": "x", "units": 2, "lora_rank": 4})", "'lora_rank'"},
      {"Dense", R"({"name": "x", "units": 2, "quantization_config": {"a": 1}})",
       "'quantization_config'"},
      {"Dense", R"({"name": "x", "units": "two"})", "'units'"},
      {"Dense", R"({"name": "x", "units": 2.5})", "'units'"},
      {"Dense", R"({"name": "x"})", "'units'"},
      {"Dense", R"({"name": "x", "units": 2, "use_bias": "no"})", "'use_bias'"},
      {"Dense", R"({"name": "x", "units": 2, "activation": "glu"})", "'activation'"},
      {"Dense", R"({"name": "x", "units": 2, "activation": 7})", "'activation'"},
      {"Dense", R"({"name": "x", "units": 2, "kernel_initializer": "mine"})",
       "'kernel_initializer'"},
      {"Dense", R"({"name": "x", "units": 2, "kernel_initializer": "glorot"})",
       "there are constant, glorot_normal, glorot_uniform, "},
      {"Dense", R"({"name": "x", "units": 2, "activation": "swoosh"})", "there are linear, relu, "},
      {"Dense",
       R"({"name": "x", "units": 2, "kernel_initializer": {"class_name": "STFT", "config": {}}})",
       "'kernel_initializer'"},
      {"Dense",
       R"({"name": "x", "units": 2,
           "kernel_initializer": {"class_name": "Constant", "config": {"value": null}}})",
       "'kernel_initializer'"},
      {"Dense",
       R"({"name": "x", "units": 2,
           "kernel_initializer": {"class_name": "RandomNormal", "config": {"seed": -5}}})",
       "'kernel_initializer'"},
      {"Softmax", R"({"name": "x", "axis": null})", "'axis'"},
      {"LayerNormalization", R"({"name": "x", "axis": null})", "'axis'"},
      {"Softmax", R"({"name": "x", "axis": []})", "'axis'"},
      {"Dense", R"({"name": "x", "units": 2, "dtype": "int8_from_float32"})", "'dtype'"},
      {"Dense",
       R"({"name": "x", "units": 2, "dtype": {"class_name": "QuantizedDTypePolicy", "config":
           {"mode": "int8", "source_name": "float32"}}})",
       "'dtype'"},
      {"Conv2D", R"({"name": "x", "filters": 2, "kernel_size": [3, 3, 3]})", "'kernel_size'"},
      {"Conv1D", R"({"name": "x", "filters": 2, "kernel_size": [3, 3]})", "'kernel_size'"},
      {"InputLayer", R"({"name": "x", "batch_shape": [null, 3], "sparse": true})", "'sparse'"},
      {"InputLayer", R"({"name": "x", "batch_shape": [null, -3]})", "'batch_shape'"},
      {"Rescaling", R"({"name": "x", "scale": [[1, 2], [3]]})", "'scale'"},
      {"Dense", R"({"name": "x", "units": 18446744073709551615})", "'units'"},
      {"Dropout", R"({"name": "x"})", "'rate'"},
      {"GaussianNoise", R"({"name": "x"})", "'stddev'"},
      {"CustomScaleLayer", R"({"name": "x"})", "'scale'"},
      {"GaussianDropout", R"({"name": "x"})", "'rate'"},
      {"LayerScale", R"({"name": "x", "init_values": 0.1})", "'projection_dim'"},
      {"StochasticDepth", R"({"name": "x"})", "'drop_path_rate'"},
      {"Resizing", R"({"name": "x", "height": 2})", "'width'"},
      {"CenterCrop", R"({"name": "x", "width": 2})", "'height'"},
      {"RandomRotation", R"({"name": "x"})", "'factor'"},
      {"RandomTranslation", R"({"name": "x", "height_factor": 0.1})", "'width_factor'"},
      {"CategoryEncoding", R"({"name": "x"})", "'num_tokens'"},
      {"Discretization", R"({"name": "x", "bin_boundaries": [0], "sparse": true})", "'sparse'"},
      {"Discretization", R"({"name": "x", "bin_boundaries": [1, 0]})",
       "`bin_boundaries` that fall"},
  };
  for (const auto& [class_name, config, option] : cases) {
    const std::string text = refusal(class_name, config);
    EXPECT_NE(text.find(option), std::string::npos) << config << " -> " << text;
    EXPECT_NE(text.find("'x'"), std::string::npos) << text;
    EXPECT_NE(text.find(class_name), std::string::npos) << text;
  }
}

TEST(LayerConfig, BadOptionsAreRefusedInKerasWords) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"Dense", R"({"name": "x", "units": 0})", "Received an invalid value for `units`"},
      {"Conv2D", R"({"name": "x", "filters": 0, "kernel_size": 3})",
       "Invalid value for argument `filters`"},
      {"Conv2D", R"({"name": "x", "filters": 3, "kernel_size": 3, "groups": 2})",
       "must be evenly divisible by the number of groups"},
      {"Conv2D", R"({"name": "x", "filters": 3, "kernel_size": 0})", "The `kernel_size` argument"},
      {"Conv2D", R"({"name": "x", "filters": 3, "kernel_size": 3, "strides": -1})",
       "The `strides` argument"},
      {"Conv2D", R"({"name": "x", "filters": 3, "kernel_size": 1099511627776})",
       "The `kernel_size` argument"},
      {"Conv2D",
       R"({"name": "x", "filters": 3, "kernel_size": 3, "strides": 2, "dilation_rate": 2})",
       "`strides > 1` not supported in conjunction with `dilation_rate > 1`"},
      {"Conv2D", R"({"name": "x", "filters": 3, "kernel_size": 3, "padding": "causal"})",
       "The `padding` argument must be one of"},
      {"Conv2D", R"({"name": "x", "filters": 3, "kernel_size": 3, "data_format": "NCHW"})",
       "The `data_format` argument must be one of"},
      {"Conv2DTranspose", R"({"name": "x", "filters": 3, "kernel_size": 3, "output_padding": 1})",
       "`output_padding` must be strictly less than `strides`"},
      {"DepthwiseConv2D", R"({"name": "x", "kernel_size": 3, "depth_multiplier": 0})",
       "Invalid value for argument `depth_multiplier`"},
      {"Dropout", R"({"name": "x", "rate": 1.5})", "Invalid value received for argument `rate`"},
      {"GaussianNoise", R"({"name": "x", "stddev": 1.5})",
       "Invalid value received for argument `stddev`"},
      {"GaussianDropout", R"({"name": "x", "rate": -0.5})",
       "Invalid value received for argument `rate`"},
      {"ReLU", R"({"name": "x", "max_value": -1})", "max_value of a ReLU layer"},
      {"LeakyReLU", R"({"name": "x", "negative_slope": -1})",
       "The negative_slope value of a Leaky ReLU"},
      {"Reshape", R"({"name": "x", "target_shape": [-1, -1]})",
       "There must be at most one unknown dimension"},
      {"Permute", R"({"name": "x", "dims": [1, 3]})", "Invalid permutation argument `dims`"},
      {"Embedding", R"({"name": "x", "input_dim": 0, "output_dim": 2})",
       "`input_dim` must be a positive"},
      {"Normalization", R"({"name": "x", "mean": [1.0]})",
       "both `mean` and `variance` must be set"},
      {"Normalization", R"({"name": "x", "mean": [1.0], "variance": [1.0, 2.0]})",
       "must have the same shape"},
      {"UpSampling2D", R"({"name": "x", "interpolation": "area"})",
       "Invalid `interpolation` argument"},
      {"AveragePooling2D", R"({"name": "x"})", "The `pool_size` argument"},
      {"Resizing", R"({"name": "x", "height": 2, "width": 2, "interpolation": "area"})",
       "Invalid value for argument `interpolation`"},
      {"Resizing", R"({"name": "x", "height": 2, "width": 2, "fill_mode": "reflect"})",
       "Invalid value for argument `fill_mode`. Only `'constant'` is supported."},
      {"Resizing",
       R"({"name": "x", "height": 2, "width": 2, "crop_to_aspect_ratio": true,
           "pad_to_aspect_ratio": true})",
       "Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`."},
      {"CenterCrop", R"({"name": "x", "height": 0, "width": 2})", "`height` and `width`"},
      {"RandomCrop", R"({"name": "x", "height": 0, "width": 3})",
       "Arguments `height` and `width` should be positive integers"},
      {"RandomFlip", R"({"name": "x", "mode": "diagonal"})", "The `mode` argument"},
      {"RandomTranslation", R"({"name": "x", "height_factor": 0.1, "width_factor": 1.5})",
       "The `factor` argument should be a number (or a list of two numbers) in the range [-1.0, "
       "1.0]. Received: input_number=1.5"},
      {"RandomTranslation", R"({"name": "x", "height_factor": [1, 2, 3], "width_factor": 0})",
       "The `factor` argument should be a number"},
      {"RandomZoom", R"({"name": "x", "height_factor": -1})",
       "The `height_factor` and `width_factor` arguments should be a number"},
      {"RandomRotation", R"({"name": "x", "factor": 1.5})",
       "The `factor` argument should be a number (or a list of two numbers) in the range [-1, 1]. "
       "Received: factor=1.5"},
      {"RandomRotation", R"({"name": "x", "factor": 0.1, "fill_mode": "edge"})",
       "Unknown `fill_mode` edge. Expected of one ('reflect', 'wrap', 'constant', 'nearest')."},
      {"RandomZoom", R"({"name": "x", "height_factor": 0.1, "interpolation": "bicubic"})",
       "Unknown `interpolation` bicubic. Expected of one ('nearest', 'bilinear')."},
      {"RandomBrightness", R"({"name": "x", "factor": 0.1, "value_range": [1]})",
       "The `value_range` argument should be a list of two numbers."},
      {"RandomContrast", R"({"name": "x", "factor": -0.1})",
       "in the range [0, 1]. Received: factor="},
      {"CategoryEncoding", R"({"name": "x", "num_tokens": 0})", "`num_tokens` must be >= 1."},
      {"CategoryEncoding", R"({"name": "x", "num_tokens": 2, "output_mode": "int"})",
       "Unknown arg for output_mode: int"},
      {"Discretization", R"({"name": "x"})",
       "You need to set either `num_bins` or `bin_boundaries`."},
      {"Discretization", R"({"name": "x", "num_bins": -1})",
       "`num_bins` must be greater than or equal to 0."},
  };
  for (const auto& [class_name, config, words] : cases) {
    const std::string text = refusal<ValueError>(class_name, config);
    EXPECT_NE(text.find(words), std::string::npos) << config << " -> " << text;
    EXPECT_NE(text.find("'x'"), std::string::npos) << text;
  }
}

TEST(LayerConfig, ActivationsThatThereAreNotAreRefusedByLayerListingThoseThatThereAre) {
  for (const auto& [activation, words] :
       {std::pair("swoosh",
                  "Could not interpret activation function identifier: swoosh; there are "
                  "linear, relu, "),
        std::pair("celu", "The activation 'celu' is not supported; there are linear, relu, ")}) {
    try {
      (void)layers::Dense({.units = 2, .activation = activation, .name = "head"});
      ADD_FAILURE() << "nothing was thrown";
    } catch (const ValueError& error) {
      expect_text(error.what(), std::string("Layer 'head' (Dense): ") + words);
      expect_text(error.what(), ", log_softmax");
    }
  }
}

TEST(LayerConfig, DropoutNeedsARate) {
  try {
    (void)layers::Dropout({.name = "some"});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const ValueError& error) {
    expect_text(error.what(), "'some'");
    expect_text(error.what(), "Invalid value received for argument `rate`");
  }
}

TEST(LayerConfig, RegularizersAndConstraintsDoNotMatterToPrediction) {
  EXPECT_EQ(refusal("Dense", R"({"units": 2, "kernel_regularizer": {"class_name": "L2"},
                                 "bias_constraint": {"class_name": "NonNeg"}})"),
            "");
}

TEST(LayerConfig, RegularizersAreNamesOrObjects) {
  const auto regularizer_of = [](const char* regularizer) {
    json config = {{"name", "d"}, {"units", 2}};
    config["kernel_regularizer"] = json::parse(regularizer);
    const LayerPtr layer = layers::layer_from_config("Dense", config);
    layer->build({{1, 3}});
    EXPECT_FALSE(layer->own_variables()[1]->regularizer()) << "the bias has none";
    return layer->own_variables()[0]->regularizer();
  };
  const auto described = [&](const char* regularizer) {
    const Regularizer found = regularizer_of(regularizer);
    return found.class_name() + " " + std::to_string(found.l1()) + " " + std::to_string(found.l2());
  };
  EXPECT_EQ(described("null"), " 0.000000 0.000000");
  EXPECT_EQ(described(R"("l1")"), "L1 0.010000 0.000000");
  EXPECT_EQ(described(R"("L2")"), "L2 0.000000 0.010000");
  EXPECT_EQ(described(R"("l1l2")"), "L1L2 0.000000 0.000000");
  EXPECT_EQ(described(R"({"module": "keras.regularizers", "class_name": "L1L2",
                          "config": {"l1": 0.25, "l2": 3}, "registered_name": null})"),
            "L1L2 0.250000 3.000000");
  EXPECT_EQ(described(R"({"class_name": "L1", "config": {"l1": 0.5}})"), "L1 0.500000 0.000000");
  EXPECT_EQ(described(R"({"class_name": "L2", "config": {"l2": null}})"), "L2 0.000000 0.010000");
  EXPECT_EQ(described(R"("orthogonal_regularizer")"), "OrthogonalRegularizer 0.000000 0.000000");
  const auto orthogonal = regularizer_of(R"({"class_name": "OrthogonalRegularizer",
                                             "config": {"factor": 0.25, "mode": "columns"}})");
  ASSERT_TRUE(orthogonal.orthogonal());
  EXPECT_EQ(orthogonal.orthogonal()->factor, 0.25);
  EXPECT_EQ(orthogonal.orthogonal()->mode, "columns");
}

TEST(LayerConfig, ConstraintsAreNamesOrObjects) {
  const auto found = [](const char* constraint) {
    json config = {{"name", "d"}, {"units", 2}};
    config["bias_constraint"] = json::parse(constraint);
    const LayerPtr layer = layers::layer_from_config("Dense", config);
    layer->build({{1, 3}});
    EXPECT_FALSE(layer->own_variables()[0]->constraint()) << "the kernel has none";
    return layer->own_variables()[1]->constraint();
  };
  EXPECT_FALSE(found("null"));
  EXPECT_EQ(found(R"("non_neg")").class_name(), "NonNeg");
  EXPECT_EQ(found(R"({"class_name": "NonNeg", "config": {}})").class_name(), "NonNeg");
  const Constraint max = found(R"({"module": "keras.constraints", "class_name": "MaxNorm",
                                   "config": {"max_value": 3, "axis": [0, 1]}})");
  EXPECT_EQ(std::get<constraints::MaxNorm>(max.kind()).max_value, 3);
  EXPECT_EQ(std::get<constraints::MaxNorm>(max.kind()).axis.values,
            (std::vector<std::int64_t>{0, 1}));
  const Constraint unit = found(R"({"class_name": "UnitNorm", "config": {"axis": null}})");
  EXPECT_TRUE(std::get<constraints::UnitNorm>(unit.kind()).axis.values.empty());
  const Constraint both = found(R"({"class_name": "MinMaxNorm",
                                    "config": {"min_value": 0.5, "max_value": 2.0, "rate": 0.25}})");
  const auto& min_max = std::get<constraints::MinMaxNorm>(both.kind());
  EXPECT_EQ(min_max.min_value, 0.5);
  EXPECT_EQ(min_max.max_value, 2.0);
  EXPECT_EQ(min_max.rate, 0.25);
  EXPECT_EQ(min_max.axis.values, (std::vector<std::int64_t>{0}));
}

TEST(LayerConfig, AnyLayerMayHaveAnActivityRegularizer) {
  const LayerPtr layer = layers::layer_from_config(
      "Flatten", json::parse(R"({"name": "x", "activity_regularizer": {"class_name": "L1"}})"));
  EXPECT_EQ(layer->activity_regularizer().class_name(), "L1");
  const LayerRef dense = layers::Dense({.units = 2, .activity_regularizer = "l2"});
  EXPECT_EQ(dense->activity_regularizer().class_name(), "L2");
}

TEST(LayerConfig, RegularizersAndConstraintsThatThereAreNotAreRefused) {
  const auto words = [](const auto& make) -> std::string {
    try {
      (void)make();
      return "";
    } catch (const ValueError& error) {
      return error.what();
    }
  };
  expect_text(words([] { return Regularizer("l3"); }),
              "Could not interpret regularizer identifier: l3; there are L1, L1L2, L2");
  expect_text(words([] { return Constraint("max"); }),
              "Could not interpret constraint identifier: max; there are MaxNorm, MinMaxNorm, "
              "NonNeg, UnitNorm");
  expect_text(words([] { return Regularizer(regularizers::L2{-1}); }),
              "Invalid value for argument l2: expected a non-negative float. Received: l2=-1");
  expect_text(words([] { return Regularizer(regularizers::L1L2{.l1 = HUGE_VAL}); }),
              "Invalid value for argument l1");
  expect_text(words([] { return Regularizer(regularizers::L1{std::nan("")}); }),
              "Invalid value for argument l1");
}

TEST(LayerConfig, ActivationsAreNamesFunctionsOrLayers) {
  EXPECT_EQ(activation_of(R"("relu6")"), "0.000 1.000 6.000 ");
  EXPECT_EQ(activation_of("null"), "-2.00 1.000 9.000 ");
  EXPECT_EQ(activation_of(R"({"module": "builtins", "class_name": "function", "config": "relu",
                              "registered_name": "function"})"),
            "0.000 1.000 9.000 ");
  EXPECT_EQ(activation_of(R"({"class_name": "ReLU", "config": {"name": "r", "max_value": 3.0}})"),
            "0.000 1.000 3.000 ");
  EXPECT_EQ(activation_of(R"({"class_name": "LeakyReLU", "config": {"negative_slope": 0.5}})"),
            "-1.00 1.000 9.000 ");
}

// As Keras's archives have them; their numbers are of no use in what is made of the layer.
TEST(LayerConfig, ActivationsThatAreLayersKeepTheirNamesAndNoSharedIds) {
  const json policy = {{"module", "keras"},
                       {"class_name", "DTypePolicy"},
                       {"config", {{"name", "float32"}}},
                       {"registered_name", nullptr}};
  json shared = policy;
  shared["shared_object_id"] = 7;
  json activation = {{"module", "keras.layers"},
                     {"class_name", "LeakyReLU"},
                     {"config", {{"name", "slope"}, {"negative_slope", 0.5}, {"dtype", shared}}},
                     {"registered_name", nullptr},
                     {"shared_object_id", 9}};
  const LayerPtr layer =
      layers::layer_from_config("Dense", {{"units", 2}, {"activation", activation}});
  ASSERT_EQ(layer->sublayers().size(), 1U);
  EXPECT_EQ(layer->sublayers()[0]->name(), "slope");
  activation.erase("shared_object_id");
  activation["config"]["dtype"] = policy;
  EXPECT_EQ(layers::layer_to_config(*layer)["activation"], activation);
  activation["config"]["activity_regularizer"] = {{"module", "keras.regularizers"},
                                                  {"class_name", "L2"},
                                                  {"config", {{"l2", 0.5}}},
                                                  {"registered_name", nullptr}};
  const auto refused = [&] {
    (void)layers::layer_from_config("Dense", {{"units", 2}, {"activation", activation}});
  };
  EXPECT_THROW(refused(), UnsupportedError);
}

TEST(LayerConfig, ArraysMayBeNumPys) {
  const auto scaled = [](const char* scale) {
    const json config = {{"name", "r"}, {"scale", json::parse(scale)}};
    const LayerPtr layer = layers::layer_from_config("Rescaling", config);
    const Tensor y = lamina::testing::execute(*layer, {Tensor::from<float>({1, 2}, {1, 2})})[0];
    return std::vector<float>(y.data<float>().begin(), y.data<float>().end());
  };
  const std::vector<float> expected{0.5F, 8};
  EXPECT_EQ(scaled("[0.5, 4]"), expected);
  EXPECT_EQ(
      scaled(R"({"class_name": "__numpy__", "config": {"value": [0.5, 4], "dtype": "float64"}})"),
      expected);
  EXPECT_EQ(
      scaled(R"({"class_name": "__tensor__", "config": {"value": [0.5, 4], "dtype": "float32"}})"),
      expected);
  for (const char* other :
       {R"({"class_name": "mine", "config": {"value": 1}})", R"({"class_name": "__numpy__"})",
        R"({"class_name": "__numpy__", "config": {"value": "1"}})", R"({"class_name": 7})",
        R"({"class_name": "__numpy__", "config": [1]})"}) {
    expect_text(
        refusal("Rescaling", (std::string(R"({"name": "r", "scale": )") + other + "}").c_str()),
        "'scale'");
  }
}

TEST(LayerConfig, InitializersTakeASeedGeneratorForItsSeed) {
  const auto kernel = [](const std::string& seed) {
    const json config = {
        {"units", 4},
        {"kernel_initializer",
         {{"class_name", "RandomNormal"}, {"config", {{"seed", json::parse(seed)}}}}}};
    const LayerPtr layer = layers::layer_from_config("Dense", config);
    layer->build({{1, 8}});
    return layer->own_variables()[0]->value();
  };
  const std::string generator =
      R"({"module": "keras.random", "class_name": "SeedGenerator", "config": {"seed": )";
  EXPECT_TRUE(bitwise_equal(kernel("3"), kernel(generator + R"(3, "name": "seed_generator"}})")));
  EXPECT_FALSE(bitwise_equal(kernel("3"), kernel(generator + "4}}")));
  EXPECT_THROW((void)kernel(generator + R"("three"}})"), UnsupportedError);
  EXPECT_THROW((void)kernel(R"({"class_name": "SeedGenerator", "config": 3})"), UnsupportedError);
}

TEST(LayerConfig, InitializersKeepTheirSeed) {
  const char* config = R"({"units": 4, "kernel_initializer":
      {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": 3},
       "registered_name": null}})";
  const LayerPtr a = layers::layer_from_config("Dense", json::parse(config));
  const LayerPtr b = layers::layer_from_config("Dense", json::parse(config));
  a->build({{1, 8}});
  b->build({{1, 8}});
  EXPECT_TRUE(bitwise_equal(a->own_variables()[0]->value(), b->own_variables()[0]->value()));
}
