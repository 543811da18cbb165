// Models as Keras's JSON, written and read again.
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using nlohmann::json;

/// A configuration of Keras's without what is not of the model: how it was compiled, and arguments
/// of calls that are not given.
json settled(json value) {
  if (value.is_object()) value.erase("compile_config");
  if (value.is_object() && value.contains("kwargs")) {
    for (auto it = value["kwargs"].begin(); it != value["kwargs"].end();) {
      it = it->is_null() || *it == json(false) ? value["kwargs"].erase(it) : std::next(it);
    }
  }
  if (!value.is_structured()) return value;
  for (json& item : value) item = settled(std::move(item));
  return value;
}

json written(const Model& model) {
  return json::parse(model.to_json());
}

/// Reads what the model writes: an equal model, which writes the same and predicts the same.
ModelPtr copy_of(const Model& model) {
  ModelPtr copy = Model::from_json_text(model.to_json());
  EXPECT_EQ(written(*copy), written(model));
  EXPECT_EQ(names_of(copy->layers()), names_of(model.layers()));
  return copy;
}

void expect_copied(Model& model) {
  const ModelPtr copy = copy_of(model);
  fill(model);
  fill(*copy);
  const std::vector<Tensor> first = model.predict(inputs_for(model)),
                            second = copy->predict(inputs_for(*copy));
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(bitwise_equal(first[i], second[i]));
}

template <class E = UnsupportedError>
std::string refusal(const Model& model) {
  try {
    (void)model.to_json();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "written";
  return {};
}

void expect_words(const std::string& text, const std::string& words) {
  EXPECT_NE(text.find(words), std::string::npos) << text;
}

json& layer_named(json& config, const std::string& name) {
  for (json& layer : config["config"]["layers"]) {
    if (layer["config"]["name"] == name) return layer;
  }
  throw std::runtime_error("no layer " + name);
}

/// A layer written by hand, of a class that Keras does not know.
class Doubled final : public Layer {
 public:
  Doubled() : Layer({"twice", {}, true}) {}
  [[nodiscard]] std::string class_name() const override { return "Doubled"; }
  SymbolicTensors call(const SymbolicTensors& x) override { return {layers::Add()({x[0], x[0]})}; }
};

class Small final : public SubclassedModel {
 public:
  Small() : SubclassedModel({.name = "small"}), dense_(track("dense", dense(2, "d"))) {}
  [[nodiscard]] std::string class_name() const override { return "Small"; }
  SymbolicTensors call(const SymbolicTensors& x) override { return dense_->apply(x); }

 private:
  LayerPtr dense_;
};

class OwnFunctional final : public Functional {
 public:
  OwnFunctional(const SymbolicTensor& x, const SymbolicTensor& y)
      : Functional({x}, {y}, {.name = "own"}) {}
};

class KerasTexts : public ::testing::TestWithParam<const char*> {};

}  // namespace

TEST_P(KerasTexts, AreWrittenAsKerasWroteThem) {
  const json original = read_json(std::string(GetParam()) + ".json");
  const ModelPtr model = Model::from_json_text(original.dump());
  EXPECT_EQ(settled(written(*model)), settled(original));
}

INSTANTIATE_TEST_SUITE_P(FromKeras, KerasTexts,
                         ::testing::Values("branches", "cnn", "dictionary", "chain",
                                           "images_and_numbers", "transformer", "deferred",
                                           "deferred_built"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ToJson, CopiesGraphsOfSharedAndNestedModels) {
  const SymbolicTensor left = input(6, "left"), right = input(6, "right");
  const LayerRef shared = layers::Dense({.units = 4, .activation = "tanh"});
  const SymbolicTensor a = shared(left), b = shared(right), c = layers::Add()({a, b});
  const SymbolicTensor x = input(4, "x"), y = input(4, "y");
  const auto inner = Functional::create(
      {x, y}, {dense(4, "inner_dense")(x), layers::Subtract()({x, y})}, {.name = "inner"});
  const auto stack = Sequential::create(
      {layers::InputLayer({.shape = {4}}), dense(3, "s"), layers::LeakyReLU()}, {.name = "stack"});
  const SymbolicTensors d = inner->apply({c, b}), e = inner->apply({a, c});
  const SymbolicTensor joined = layers::Concatenate()({d[1], e[0], (*stack)(d[0])});
  const auto model =
      Functional::create({right, left}, {(*stack)(e[1]), e[0], joined, a}, {.name = "outer"});
  expect_copied(*model);
  const json config = written(*model)["config"];
  EXPECT_EQ(config["input_layers"], json({{"right", 0, 0}, {"left", 0, 0}}));
  // A nested Functional counts its own making first.
  EXPECT_EQ(config["output_layers"][1], json({"inner", 2, 0}));
  EXPECT_EQ(config["output_layers"][3], json({shared->name(), 0, 0}));
}

TEST(ToJson, CopiesAttentionInAnyOrderOfItsArguments) {
  const SymbolicTensor x = layers::Input({.shape = {5, 6}, .name = "x"}),
                       y = layers::Input({.shape = {7, 6}, .name = "y"});
  const auto attention = [](bool causal) {
    return layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3, .use_causal_mask = causal});
  };
  const SymbolicTensor z = attention(true)({x, y}), w = attention(false)({z, y, y});
  const auto model = Functional::create({x, y}, {w}, {.name = "attentive"});
  expect_copied(*model);
  json config = written(*model);
  json& call = config["config"]["layers"].back()["inbound_nodes"][0];
  ASSERT_EQ(call["args"].size(), 3u);
  // Keras sorts keywords by name, so the key goes before the value.
  call["kwargs"] = {{"value", call["args"][1]}, {"key", call["args"][2]}};
  call["args"].erase(2);
  call["args"].erase(1);
  const ModelPtr named = Model::from_json_text(config.dump());
  EXPECT_EQ(written(*named), config);
  expect_copied(*named);
}

TEST(ToJson, CopiesWhatCallsAreGivenByName) {
  const SymbolicTensor ids = layers::Input({.shape = {5}, .dtype = "int32", .name = "ids"}),
                       mask = layers::Input({.shape = {5, 5}, .dtype = "int32", .name = "mask"});
  const SymbolicTensor x =
      layers::Embedding({.input_dim = 10, .output_dim = 6, .mask_zero = true})(ids);
  const LayerRef shared = layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3});
  const SymbolicTensor y = shared({x, x}, {{"attention_mask", mask}, {"use_causal_mask", true}});
  const SymbolicTensor z = shared({y}, {{"value", x}, {"key", y}});
  const auto model = Functional::create({ids, mask}, {z}, {.name = "given"});
  expect_copied(*model);
  const json config = written(*model);
  json copy = config;
  const json calls = layer_named(copy, shared->name())["inbound_nodes"];
  const auto history = [](const json& tensor) { return tensor["config"]["keras_history"]; };
  ASSERT_EQ(calls[0]["args"].size(), 2u);
  EXPECT_EQ(history(calls[0]["kwargs"]["attention_mask"]), json({"mask", 0, 0}));
  EXPECT_EQ(calls[0]["kwargs"]["use_causal_mask"], true);
  EXPECT_EQ(calls[0]["kwargs"].size(), 2u);
  ASSERT_EQ(calls[1]["args"].size(), 1u);
  EXPECT_EQ(history(calls[1]["kwargs"]["key"]), json({shared->name(), 0, 0}));
  EXPECT_EQ(calls[1]["kwargs"].size(), 2u);
  EXPECT_EQ(written(*Model::from_json_text(config.dump())), config);
}

TEST(ToJson, CopiesCallsThatReturnScores) {
  const SymbolicTensor x = layers::Input({.shape = {5, 6}, .name = "x"});
  const LayerRef shared = layers::MultiHeadAttention({.num_heads = 2, .key_dim = 3});
  const CallArguments scored{{"return_attention_scores", true}};
  const SymbolicTensors y = shared->apply({x, x}, scored),
                        z = layers::AdditiveAttention({.name = "plain"})->apply({y[0], x}, scored);
  const auto model = Functional::create(
      {x}, {y[1], shared({z[0], x}), layers::Dense({.units = 2, .name = "seen"})(z[1])},
      {.name = "scored"});
  expect_copied(*model);
  json config = written(*model);
  EXPECT_EQ(config["config"]["output_layers"][0], json({shared->name(), 0, 1}));
  for (const std::string& name : {shared->name(), std::string("plain")}) {
    EXPECT_EQ(layer_named(config, name)["inbound_nodes"][0]["kwargs"],
              json({{"return_attention_scores", true}}));
  }
  EXPECT_EQ(layer_named(config, shared->name())["inbound_nodes"][1]["kwargs"], json::object());
  EXPECT_EQ(layer_named(config, "seen")["inbound_nodes"][0]["args"][0]["config"]["keras_history"],
            json({"plain", 0, 1}));
}

TEST(ToJson, CopiesOperationsWithNumbersOnEitherSide) {
  for (const json& args : {json({0.5, "x"}), json({"x", 0.5}), json({2, "x"}), json({"x", -3})}) {
    json config = read_json("branches.json");
    json& operation = layer_named(config, "multiply")["inbound_nodes"][0];
    const json tensor = operation["args"][0];
    operation["args"] = args;
    for (json& arg : operation["args"]) {
      if (arg.is_string()) arg = tensor;
    }
    const ModelPtr model = Model::from_json_text(config.dump());
    EXPECT_EQ(settled(written(*model)), settled(config));
    json copy = written(*model);
    const json& found = layer_named(copy, "multiply")["inbound_nodes"][0]["args"];
    for (std::size_t i = 0; i < args.size(); ++i) {
      EXPECT_EQ(found[i].is_number_integer(), args[i].is_number_integer()) << "2 is not 2.0";
    }
    expect_copied(*model);
  }
}

TEST(ToJson, KeepsWhatInputsAndOutputsWereNestedIn) {
  json config = read_json("dictionary.json");
  config["config"]["output_layers"] = {{"all", {{"add", 0, 0}, {"dense", 0, 0}}}};
  const ModelPtr model = Model::from_json_text(config.dump());
  EXPECT_EQ(written(*model)["config"]["input_layers"], config["config"]["input_layers"]);
  EXPECT_EQ(written(*model)["config"]["output_layers"], config["config"]["output_layers"]);
  expect_copied(*model);
}

TEST(ToJson, GivesADictToAModelThatWasMadeWithOne) {
  json original = read_json("nested.json");
  const ModelPtr model = Model::from_json_text(original.dump());
  json config = written(*model);
  const auto given = [](json& text, const char* layer) {
    return layer_named(text, layer)["inbound_nodes"][0]["args"][0];
  };
  EXPECT_EQ(given(config, "made_with_dict"), given(original, "made_with_dict"));
  EXPECT_TRUE(given(config, "made_with_list").is_array());
  expect_copied(*model);
}

TEST(ToJson, CopiesSequentialModelsBuiltOrNot) {
  const auto model = Sequential::create({dense(2, "d"), layers::ReLU(), dense(3, "e")});
  EXPECT_FALSE(written(*model)["config"].contains("build_input_shape"));
  EXPECT_FALSE(copy_of(*model)->built());
  model->build({{kNone, 5}});
  EXPECT_EQ(written(*model)["build_config"], json({{"input_shape", {nullptr, 5}}}));
  EXPECT_TRUE(copy_of(*model)->built());
  expect_copied(*model);

  const auto empty = Sequential::create({layers::InputLayer({.shape = {4}, .name = "in"})});
  EXPECT_EQ(written(*empty)["config"]["layers"].size(), 1u);
  (void)copy_of(*empty);
  (void)copy_of(*Sequential::create());
}

TEST(ToJson, SaysWhatIsTrainable) {
  const auto model = Sequential::create({layers::InputLayer({.shape = {4}}), dense(2, "d"),
                                         layers::BatchNormalization({.name = "b"})});
  model->get_layer("b")->set_trainable(false);
  const ModelPtr copy = copy_of(*model);
  EXPECT_TRUE(copy->get_layer("d")->trainable());
  EXPECT_FALSE(copy->get_layer("b")->trainable());
  EXPECT_EQ(copy->trainable_variables().size(), 2u);
}

TEST(ToJson, CopiesModelsThatShareTheirInputs) {
  const SymbolicTensor x = input(3, "x");
  const auto encoder = Functional::create({x}, {dense(2, "code")(x)}, {.name = "encoder"});
  const auto whole = Functional::create({x}, {dense(3, "back")((*encoder)(x))}, {.name = "whole"});
  expect_copied(*whole);
}

TEST(ToJson, CopiesModelsOnTheInputOfAStack) {
  const SymbolicTensor x = input(3, "x");
  const auto stack = Sequential::create({x, dense(2, "d")}, {.name = "stack"});
  const auto model = Functional::create({x}, {stack->output(), dense(4, "e")(x)}, {.name = "both"});
  json config = written(*model);
  for (const char* name : {"d", "e"}) {
    const json& call = layer_named(config, name)["inbound_nodes"][0];
    EXPECT_EQ(call["args"][0]["config"]["keras_history"], json({"x", 0, 0})) << name;
  }
  expect_copied(*model);
}

// Keras's predict and fit say themselves whether they train, whatever a call was given.
TEST(ToJson, LeavesOutWhetherACallTrains) {
  const json config = read_json("transformer.json");
  ASSERT_NE(config.dump().find(R"("training":false)"), std::string::npos);
  const ModelPtr model = Model::from_json_text(config.dump());
  EXPECT_EQ(model->to_json().find(R"("training")"), std::string::npos);
}

TEST(ToJson, WritesNamesThatAreNotAscii) {
  const auto model =
      Sequential::create({layers::InputLayer({.shape = {1}}), dense(1, "\u00fcber")});
  EXPECT_NE(model->to_json().find(R"("\u00fcber")"), std::string::npos);
  (void)copy_of(*model);
  const auto broken = Sequential::create({dense(1, "\xff")}, {.name = "broken"});
  expect_words(refusal<ValueError>(*broken), "Model 'broken' cannot be written to JSON");
}

TEST(ToJson, RefusesClassesOfOnesOwnByName) {
  Small small;
  expect_words(refusal(small), "Layer 'small' (Small) cannot be written to a configuration");
  const SymbolicTensor x = input(3, "x");
  const auto holds_own = Functional::create({x}, {(*std::make_shared<Doubled>())(x)}, {});
  expect_words(refusal(*holds_own), "Layer 'twice' (Doubled) cannot be written");
  const auto derived = std::make_shared<OwnFunctional>(x, dense(1, "d")(x));
  expect_words(refusal(*derived), "Layer 'own' (Functional) cannot be written");
}

// An activation that is a layer is held by the layer of the sequence and by its cell.
TEST(ToJson, WritesRecurrentLayersWhoseActivationsAreLayers) {
  const auto activation = layers::ActivationFunction::leaky_relu(0.25);
  const auto gate = layers::ActivationFunction::relu(0, 1);
  const auto model = Sequential::create(
      {layers::InputLayer({.shape = {4, 3}}),
       layers::LSTM({.units = 2,
                     .activation = activation,
                     .recurrent_activation = gate,
                     .return_sequences = true}),
       layers::Bidirectional({.layer = layers::GRU({.units = 2,
                                                    .activation = activation,
                                                    .recurrent_activation = gate,
                                                    .return_sequences = true})}),
       layers::RNN({.cell = layers::LSTMCell({.units = 2, .activation = activation}),
                    .return_sequences = true}),
       layers::SimpleRNN({.units = 2, .activation = activation})});
  expect_copied(*model);
}

TEST(ToJson, RefusesACellThatTwoLayersHold) {
  const LayerRef cell = layers::LSTMCell({.units = 3, .name = "shared"});
  const auto model = Sequential::create({layers::InputLayer({.shape = {4, 3}}),
                                         layers::RNN({.cell = cell, .return_sequences = true}),
                                         layers::RNN({.cell = cell})});
  expect_words(refusal(*model), "Layer 'shared' (LSTMCell) is shared by several models");
}

TEST(ToJson, RefusesLayersThatKerasWouldMakeTwice) {
  const SymbolicTensor x = input(3, "x"), y = input(3, "y");
  const LayerRef shared = dense(3, "shared");
  const auto inner = Functional::create({x}, {shared(x)}, {.name = "inner"});
  const auto outer = Functional::create({y}, {shared((*inner)(y))}, {.name = "outer"});
  expect_words(refusal(*outer), "Layer 'shared' (Dense) is shared by several models");
  const auto stack = Sequential::create({shared, shared}, {.name = "stack"});
  expect_words(refusal(*stack), "Sequential model 'stack' holds its layer 'shared' several times");
}

}  // namespace lamina
