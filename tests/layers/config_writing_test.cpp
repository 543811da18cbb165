// Configurations as Lamina writes them.
#include <algorithm>
#include <limits>
#include <set>

#include "tests/fresh_seed.h"
#include "tests/layers/keras_cases.h"
#include "tests/random_choice.h"

using namespace lamina;
using namespace lamina::test;
using nlohmann::json;

namespace {

json object(const char* module, const char* class_name, json config) {
  return {{"module", module},
          {"class_name", class_name},
          {"config", std::move(config)},
          {"registered_name", nullptr}};
}

json policy(const std::string& name) {
  return object("keras", "DTypePolicy", {{"name", name}});
}

/// Layers within are built with the one that holds them.
void forget_builds(json& value) {
  if (value.is_object()) value.erase("build_config");
  if (value.is_structured()) std::for_each(value.begin(), value.end(), forget_builds);
}

/// A case's configuration as Keras has it once the layer is made of it.
json settled(json config) {
  if (config.contains("activation") && config["activation"].is_null()) config.erase("activation");
  forget_builds(config);
  return config;
}

/// Random values for what a configuration of Keras's may have.
class RandomConfig {
 public:
  explicit RandomConfig(unsigned seed) : random_(seed) {}

  /// One of `class_name`, after those of real Keras.
  json of(const std::string& class_name) {
    json config = class_name == "InputLayer" ? input_layer()
                                             : settled(one_of(random_, templates(class_name)));
    for (auto& [option, value] : config.items()) change(option, value);
    config["name"] = "layer_" + std::to_string(pick(random_, 0, 999));
    if (class_name == "InputLayer") return config;
    const std::string dtype =
        one_of<std::string>(random_, {"float32", "float64", "mixed_float16", "bfloat16"});
    if (!config.contains("trainable")) {  // of spatial dropout
      config["dtype"] = dtype;
      return config;
    }
    config["trainable"] = flip();
    config["dtype"] = policy(dtype);
    if (class_name != "ActivityRegularization" && flip()) {
      config["activity_regularizer"] = regularizer(false);
    }
    return config;
  }

 private:
  bool flip() { return pick(random_, 0, 1) == 1; }
  double number() { return std::uniform_real_distribution<double>(0.01, 0.99)(random_); }
  json maybe_seed() { return flip() ? json(pick(random_, 0, 1 << 30)) : json(); }

  static std::vector<json> templates(const std::string& class_name) {
    std::vector<json> found;
    for (const json& c : keras_cases()) {
      if (c.at("class_name") == class_name) found.push_back(c.at("config"));
    }
    if (found.empty())
      throw std::runtime_error("no case of " + class_name + " in keras_cases.json");
    return found;
  }

  json input_layer() {
    json shape = json::array({nullptr});
    for (std::int64_t i = pick(random_, 0, 3); i > 0; --i) {
      shape.push_back(flip() ? json(pick(random_, 1, 9)) : json());
    }
    return {{"batch_shape", std::move(shape)},
            {"dtype", one_of<std::string>(random_, {"float32", "int32", "uint8", "bool"})},
            {"sparse", false},
            {"ragged", false},
            {"optional", false}};
  }

  void change(const std::string& option, json& value) {
    static const std::set<std::string> kFlags{"use_bias", "center",   "scale",       "keepdims",
                                              "invert",   "use_gate", "synchronized"};
    if (option.ends_with("_initializer")) {
      value = initializer();
    } else if (option.ends_with("_regularizer") && option != "activity_regularizer") {
      value = flip() ? regularizer(true) : json();
    } else if (option.ends_with("_constraint")) {
      value = flip() ? constraint() : json();
    } else if (option == "activation") {
      value = activation();
    } else if (option == "seed") {
      value = maybe_seed();
    } else if (value.is_boolean() && kFlags.contains(option)) {
      value = flip();
    } else if (value.is_number_float()) {
      value = number();
    }
  }

  json initializer() {
    json axes = {{"seed", maybe_seed()}, {"input_axes", nullptr}, {"output_axes", nullptr}};
    const auto made = [](const char* name, json config) {
      return object("keras.initializers", name, std::move(config));
    };
    switch (pick(random_, 0, 9)) {
      case 0:
        return made("Zeros", json::object());
      case 1:
        return made("Ones", json::object());
      case 2:
        return made("Constant", {{"value", flip() ? json(number()) : json({number(), 2})}});
      case 3:
        return made("RandomNormal",
                    {{"mean", number()}, {"stddev", number()}, {"seed", maybe_seed()}});
      case 4:
        return made("TruncatedNormal",
                    {{"mean", number()}, {"stddev", number()}, {"seed", maybe_seed()}});
      case 5:
        return made("RandomUniform",
                    {{"minval", -number()}, {"maxval", number()}, {"seed", maybe_seed()}});
      case 6:
        return made("Orthogonal", {{"gain", number()}, {"seed", maybe_seed()}});
      case 7:
        return made("Identity", {{"gain", number()}});
      case 8:
        axes["scale"] = number();
        axes["mode"] = one_of<std::string>(random_, {"fan_in", "fan_out", "fan_avg"});
        axes["distribution"] =
            one_of<std::string>(random_, {"truncated_normal", "untruncated_normal", "uniform"});
        return made("VarianceScaling", axes);
      default:
        return made(one_of<const char*>(random_, {"GlorotUniform", "GlorotNormal", "HeUniform",
                                                  "HeNormal", "LecunUniform", "LecunNormal"}),
                    axes);
    }
  }

  /// Of weights, or of what a layer gives.
  json regularizer(bool of_weights) {
    const auto made = [](const char* name, json config) {
      return object("keras.regularizers", name, std::move(config));
    };
    const double rounded = static_cast<float>(number());  // as Keras keeps these
    switch (pick(random_, 0, of_weights ? 4 : 2)) {
      case 0:
        return made("L1", {{"l1", rounded}});
      case 1:
        return made("L2", {{"l2", number()}});
      case 2:
        return made("L1L2", {{"l1", number()}, {"l2", number()}});
      case 3:
        return made("OrthogonalRegularizer",
                    {{"factor", rounded}, {"mode", flip() ? "rows" : "columns"}});
      default: {  // one that Lamina lacks
        json own = made("Spectral", {{"strength", number()}});
        own["module"] = "my.package";
        own["registered_name"] = "my>Spectral";
        return own;
      }
    }
  }

  json constraint() {
    const auto made = [](const char* name, json config) {
      return object("keras.constraints", name, std::move(config));
    };
    const json axis = one_of<json>(random_, {0, 1, {0, 1}, nullptr});
    switch (pick(random_, 0, 3)) {
      case 0:
        return made("MaxNorm", {{"max_value", number()}, {"axis", axis}});
      case 1:
        return made("NonNeg", json::object());
      case 2:
        return made("UnitNorm", {{"axis", axis}});
      default:
        return made(
            "MinMaxNorm",
            {{"min_value", number()}, {"max_value", number()}, {"rate", number()}, {"axis", axis}});
    }
  }

  json activation() {
    return one_of<std::string>(
        random_, {"linear", "relu", "relu6", "leaky_relu", "elu", "selu", "silu", "gelu", "sigmoid",
                  "hard_sigmoid", "hard_silu", "tanh", "softplus", "softsign", "exponential",
                  "mish", "softmax", "log_softmax"});
  }

  std::mt19937 random_;
};

/// What reading a layer's configuration again gives.
json again(const Layer& layer) {
  return layers::layer_to_config(
      *layers::layer_from_config(layer.class_name(), layers::layer_to_config(layer)));
}

template <class E = UnsupportedError>
std::string refusal(const LayerRef& layer) {
  try {
    (void)layers::layer_to_config(*layer);
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "written";
  return {};
}

class KerasConfigs : public ::testing::TestWithParam<std::size_t> {};

/// A layer of one's own that has the name of one of Keras's.
class OwnDense final : public Layer {
 public:
  OwnDense() : Layer({"own", {}, true}) {}
  [[nodiscard]] std::string class_name() const override { return "Dense"; }
};

}  // namespace

TEST_P(KerasConfigs, AreWrittenAsKerasWroteThem) {
  const json& c = keras_cases()[GetParam()];
  const LayerPtr layer = layer_of(c, c["config"]);
  json expected = settled(c["config"]);
  const auto written = [&] {
    json config = layers::layer_to_config(*layer);
    if (config.contains("activation") && config["activation"].is_object()) {
      EXPECT_EQ(config["activation"]["config"]["dtype"], expected["dtype"]);
      config["activation"]["config"]["dtype"] = expected["activation"]["config"]["dtype"];
    }
    return config;
  };
  EXPECT_EQ(written(), expected);
  (void)layer->apply(placeholders(c), arguments_of(c));
  EXPECT_EQ(written(), expected) << "once it is built";
}

INSTANTIATE_TEST_SUITE_P(All, KerasConfigs, ::testing::ValuesIn(case_indices(false)),
                         [](const auto& info) { return case_name(info.param); });

TEST(ConfigWriting, GivesBackWhatWasReadOfEveryRegisteredLayer) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE("LAMINA_TEST_SEED=" + std::to_string(seed));
  RandomConfig random(seed);
  for (int round = 0; round < 20; ++round) {
    for (const std::string& class_name : layers::registered_layers()) {
      const json config = random.of(class_name);
      const LayerPtr layer = layers::layer_from_config(class_name, config);
      ASSERT_NE(layer, nullptr) << class_name;
      ASSERT_EQ(layers::layer_to_config(*layer), config) << class_name;
    }
  }
}

TEST(ConfigWriting, SaysWhatTheLayerIsNow) {
  const LayerRef layer = layers::Dense({.units = 2});
  json config = layers::layer_to_config(*layer);
  EXPECT_EQ(config["name"], layer->name());
  EXPECT_EQ(config["dtype"], policy("float32"));
  EXPECT_EQ(config["trainable"], true);
  EXPECT_FALSE(config.contains("activity_regularizer"));
  layer->set_trainable(false);
  layer->set_activity_regularizer(regularizers::L2{0.25});
  config = layers::layer_to_config(*layer);
  EXPECT_EQ(config["trainable"], false);
  EXPECT_EQ(config["activity_regularizer"], object("keras.regularizers", "L2", {{"l2", 0.25}}));
}

TEST(ConfigWriting, KnowsTheActivityRegularizerOfAttentionThatIsBuilt) {
  const LayerRef layer = layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3});
  layer->set_activity_regularizer(regularizers::L2{0.5});
  const json before = layers::layer_to_config(*layer);
  EXPECT_EQ(before["activity_regularizer"], object("keras.regularizers", "L2", {{"l2", 0.5}}));
  layer->build({{1, 4, 5}, {1, 4, 5}});
  EXPECT_EQ(layers::layer_to_config(*layer), before);
}

TEST(ConfigWriting, WritesDefaultsThatKerasWorksOut) {
  const auto written = [](const LayerRef& layer) {
    const json config = layers::layer_to_config(*layer);
    EXPECT_EQ(again(*layer), config);
    return config;
  };
  EXPECT_EQ(written(layers::MaxPooling2D({.pool_size = {2, 3}}))["strides"], json({2, 3}));
  EXPECT_EQ(written(layers::AveragePooling1D({.pool_size = 3}))["strides"], json::array({3}));
  EXPECT_EQ(written(layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3}))["value_dim"], 3);
  EXPECT_EQ(written(layers::Softmax({.axis = layers::Axes{}}))["axis"], -1);
  EXPECT_EQ(written(layers::Activation({}))["activation"], "linear");
  EXPECT_EQ(written(layers::Dense({.units = 1, .activation = "swish"}))["activation"], "silu");
  EXPECT_EQ(written(layers::InputLayer({.shape = {3}, .batch_size = 2}))["batch_shape"],
            json({2, 3}));
  EXPECT_EQ(
      written(layers::Dense(
          {.units = 1,
           .kernel_initializer =
               initializers::VarianceScaling{
                   .distribution = "normal"}}))["kernel_initializer"]["config"]["distribution"],
      "truncated_normal");
}

TEST(ConfigWriting, MakesLayersOfActivationsWithParameters) {
  using layers::ActivationFunction;
  const auto activation = [](ActivationFunction function) {
    const LayerRef layer =
        layers::Dense({.units = 2, .activation = std::move(function), .dtype = "float64"});
    const json config = layers::layer_to_config(*layer);
    EXPECT_EQ(again(*layer), config);
    json written = config["activation"];
    if (written.is_object()) {  // as Keras's layers, which have a name of their own
      EXPECT_EQ(written["config"]["trainable"], true);
      EXPECT_NE(written["config"]["name"].get<std::string>(), "");
      for (const char* key : {"name", "trainable"}) written["config"].erase(key);
    }
    return written;
  };
  EXPECT_EQ(activation(ActivationFunction::relu(0.1, 6, 0.5)),
            object("keras.layers", "ReLU",
                   {{"max_value", 6},
                    {"negative_slope", 0.1},
                    {"threshold", 0.5},
                    {"dtype", policy("float64")}}));
  EXPECT_EQ(activation(ActivationFunction::relu(0.1))["config"]["max_value"], json());
  EXPECT_EQ(
      activation(ActivationFunction::leaky_relu(0.5)),
      object("keras.layers", "LeakyReLU", {{"negative_slope", 0.5}, {"dtype", policy("float64")}}));
  EXPECT_EQ(activation(ActivationFunction::elu(2)),
            object("keras.layers", "ELU", {{"alpha", 2}, {"dtype", policy("float64")}}));
  EXPECT_EQ(activation(ActivationFunction::softmax({1, 2})),
            object("keras.layers", "Softmax", {{"axis", {1, 2}}, {"dtype", policy("float64")}}));
  EXPECT_EQ(activation(ActivationFunction::gelu(false)), "gelu");
}

TEST(ConfigWriting, KeepsWhatPredictionDoesNotNeed) {
  json config = layers::layer_to_config(*layers::Dense({.units = 2, .name = "d"}));
  config["kernel_regularizer"] = {{"module", "mine"},
                                  {"class_name", "Own"},
                                  {"config", {{"a", 1}}},
                                  {"registered_name", "mine>Own"}};
  config["bias_constraint"] = "my_constraint";
  const LayerPtr layer = layers::layer_from_config("Dense", config);
  EXPECT_EQ(layers::layer_to_config(*layer), config);
}

TEST(ConfigWriting, KeepsNoActivityRegularizerThatAnotherReplaced) {
  for (const LayerRef& plain : {layers::Dense({.units = 2}), layers::Flatten()}) {
    json config = layers::layer_to_config(*plain);
    config["activity_regularizer"] = "mine";
    const LayerPtr layer = layers::layer_from_config(plain->class_name(), config);
    EXPECT_EQ(layers::layer_to_config(*layer), config);
    layer->set_activity_regularizer(regularizers::L2{0.5});
    config["activity_regularizer"] = object("keras.regularizers", "L2", {{"l2", 0.5}});
    EXPECT_EQ(layers::layer_to_config(*layer), config);
  }
}

TEST(ConfigWriting, MakesAListOfAxesThatAreNull) {
  const LayerPtr layer =
      layers::layer_from_config("Normalization", {{"name", "n"}, {"axis", nullptr}});
  EXPECT_EQ(layers::layer_to_config(*layer)["axis"], json::array());
}

TEST(ConfigWriting, RefusesWhatNoConfigurationHolds) {
  const auto expect_words = [](const std::string& text, const std::string& option,
                               const std::string& words) {
    EXPECT_NE(text.find("Layer 'd' ("), std::string::npos) << text;
    EXPECT_NE(text.find("the option '" + option + "'"), std::string::npos) << text;
    EXPECT_NE(text.find(words), std::string::npos) << text;
  };
  const Variable::Initializer own = [](const Shape& shape, DType dtype) {
    return Tensor::zeros(shape, dtype);
  };
  expect_words(refusal(layers::Dense({.units = 2, .bias_initializer = own, .name = "d"})),
               "bias_initializer", "is a function of one's own");
  expect_words(
      refusal(layers::Dense(
          {.units = 2, .activation = layers::ActivationFunction::gelu(true), .name = "d"})),
      "activation", "is a form of 'gelu'");
  const double infinity = std::numeric_limits<double>::infinity();
  expect_words(refusal(layers::ReLU({.max_value = infinity, .name = "d"})), "max_value",
               "is not finite");
  expect_words(
      refusal(layers::Dense(
          {.units = 2, .kernel_initializer = initializers::Constant{infinity}, .name = "d"})),
      "kernel_initializer': the option 'value", "is not finite");
  const auto seeded = [](std::uint64_t seed) {
    return layers::Dense(
        {.units = 2, .kernel_initializer = initializers::RandomNormal{.seed = seed}, .name = "d"});
  };
  const std::uint64_t most = 0xFFFFFFFF;  // which Keras takes
  EXPECT_EQ(layers::layer_to_config(*seeded(most))["kernel_initializer"]["config"]["seed"], most);
  expect_words(refusal(seeded(most + 1)), "kernel_initializer': the option 'seed",
               "is 4294967296, which Keras does not take");
}

TEST(ConfigWriting, KnowsNoLayersOfOnesOwn) {
  EXPECT_TRUE(layers::layer_to_config(OwnDense()).is_null());
}
