#include "layers/access.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using nlohmann::json;

class KerasModels : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    clear_session();
    model = Model::from_json(data_path(std::string(GetParam()) + ".json"));
    expected = read_json(std::string(GetParam()) + ".expected.json");
  }
  ModelPtr model;
  json expected;
};

TEST_P(KerasModels, HaveKerasOrderOfLayersAndInputs) {
  EXPECT_EQ(names_of(model->layers()), expected["layers"].get<std::vector<std::string>>());
  std::vector<std::string> inputs;
  for (const SymbolicTensor& x : model->inputs())
    inputs.push_back(layers::Access::node(x)->layer->name());
  if (expected["inputs"] == json({"keras_tensor"})) return;  // Keras's tensor of an unnamed input
  EXPECT_EQ(json(inputs), expected["inputs"]);
}

TEST_P(KerasModels, HaveKerasGroupsNamesAndShapes) {
  json found = json::object();
  const models::NamedWeights named = models::name_weights(*model);
  for (const auto& entry : weights::save_order(named.tree)) {
    const weights::WeightNode& node = named.tree.nodes[entry.node];
    json shapes = json::array();
    for (const auto& variable : node.variables) shapes.push_back(variable.variable->shape().dims());
    found[entry.path] = {{"name", node.name}, {"shapes", shapes}};
  }
  EXPECT_EQ(found, expected["groups"]);
}

TEST_P(KerasModels, PrintKerasSummary) {
  std::string text = expected["summary"].get<std::string>();
  EXPECT_EQ(model->summary(), text);
}

TEST_P(KerasModels, PredictWhatKerasPredicts) {
  fill(*model);
  const std::vector<Tensor> outputs = model->predict(inputs_for(*model));
  ASSERT_EQ(outputs.size(), expected["outputs"].size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const json& output = expected["outputs"][i];
    EXPECT_EQ(json(outputs[i].shape().dims()), output["shape"]);
    ASSERT_EQ(outputs[i].dtype(), DType::kFloat32);
    const auto values = output["values"].get<std::vector<float>>();
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::fabs(value));
    ASSERT_EQ(values.size(), static_cast<std::size_t>(outputs[i].size()));
    for (std::size_t k = 0; k < values.size(); ++k) {
      ASSERT_NEAR(outputs[i].data<float>()[k], values[k], 2e-5 * largest)
          << "output " << i << " at " << k;
    }
  }
}

TEST_P(KerasModels, CanBeMadeTwice) {
  const ModelPtr again = Model::from_json(data_path(std::string(GetParam()) + ".json"));
  fill(*model);
  fill(*again);
  const auto first = model->predict(inputs_for(*model)),
             second = again->predict(inputs_for(*again));
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(bitwise_equal(first[i], second[i]));
}

INSTANTIATE_TEST_SUITE_P(FromKeras, KerasModels,
                         ::testing::Values("branches", "cnn", "dictionary", "chain",
                                           "images_and_numbers", "nested", "transformer"),
                         [](const auto& info) { return std::string(info.param); });

TEST(KerasConfig, DeferredSequentialStaysUnbuilt) {
  const ModelPtr model = Model::from_json(data_path("deferred.json"));
  EXPECT_FALSE(model->built());
  EXPECT_EQ(model->layers().size(), 2u);
  model->build({{kNone, 4}});
  EXPECT_EQ(model->count_params(), 4 * 2 + 2 + 2 * 3 + 3);
}

TEST(KerasConfig, BuiltSequentialIsBuilt) {
  const ModelPtr model = Model::from_json(data_path("deferred_built.json"));
  EXPECT_TRUE(model->built());
  EXPECT_EQ(model->inputs()[0].shape(), (Shape{kNone, 4}));
  EXPECT_EQ(model->layers().size(), 2u);
}

TEST(KerasConfig, LoadsAnArchiveWithItsWeights) {
  const testing::CapturedWarnings warnings;
  const ModelPtr model = Model::load(data_path("cnn.keras"));
  const json expected = read_json("cnn.expected.json")["outputs"][0];
  const Tensor output = model->predict(inputs_for(*model))[0];
  const auto values = expected["values"].get<std::vector<float>>();
  ASSERT_EQ(output.data<float>().size(), values.size());
  for (std::size_t k = 0; k < values.size(); ++k)
    EXPECT_NEAR(output.data<float>()[k], values[k], 1e-5);
}

TEST(KerasConfig, ArchivesThatAreNoneAreRefused) {
  EXPECT_THROW(Model::load(data_path("missing.keras")), FileNotFoundError);
  EXPECT_THROW(Model::load(data_path("cnn.json")), FormatError);
  const testing::TemporaryDirectory folder;
  std::ifstream archive(data_path("cnn.keras"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(archive)), {});
  for (std::size_t length = 0; length < bytes.size(); length += 4096) {
    std::ofstream(folder / "cut.keras", std::ios::binary) << bytes.substr(0, length);
    EXPECT_THROW(Model::load(folder / "cut.keras"), Error) << length;
  }
}

// Changes the configuration of one layer, and says what reading it throws.
template <class ErrorType>
std::string refusal(const char* file, const std::function<void(json&)>& change) {
  json config = read_json(file);
  change(config);
  try {
    (void)Model::from_json_text(config.dump());
  } catch (const ErrorType& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(KerasConfig, UnknownClassesAreNamedWithTheirLayer) {
  const std::string text = refusal<UnsupportedError>("chain.json", [](json& config) {
    config["config"]["layers"][1]["class_name"] = "GatedDense";
  });
  EXPECT_NE(text.find("'wide'"), std::string::npos) << text;
  EXPECT_NE(text.find("'GatedDense'"), std::string::npos) << text;
}

TEST(KerasConfig, CustomClassesAreRefusedEvenWithKnownNames) {
  const std::string text = refusal<UnsupportedError>("chain.json", [](json& config) {
    config["config"]["layers"][1]["module"] = "my_package";
    config["config"]["layers"][1]["registered_name"] = "Custom>Dense";
  });
  EXPECT_NE(text.find("'wide'"), std::string::npos) << text;
  EXPECT_NE(text.find("'Dense'"), std::string::npos) << text;
}

TEST(KerasConfig, ClassesWithoutAModuleAreRefused) {
  for (const json& module : {json(nullptr), json("")}) {
    const std::string text = refusal<UnsupportedError>(
        "chain.json", [&](json& config) { config["config"]["layers"][1]["module"] = module; });
    EXPECT_NE(text.find("'wide'"), std::string::npos) << text;
    EXPECT_NE(text.find("class 'Dense' without its module"), std::string::npos) << text;
  }
}

TEST(KerasConfig, UnknownOptionsAreNamedWithTheirLayer) {
  const std::string text = refusal<UnsupportedError>("chain.json", [](json& config) {
    config["config"]["layers"][1]["config"]["sparsity"] = 0.5;
  });
  EXPECT_NE(text.find("wide"), std::string::npos) << text;
  EXPECT_NE(text.find("sparsity"), std::string::npos) << text;
}

TEST(KerasConfig, UnknownOperationsAreNamed) {
  const std::string text = refusal<UnsupportedError>("branches.json", [](json& config) {
    for (json& layer : config["config"]["layers"]) {
      if (layer["module"] == "keras.src.ops.numpy") layer["class_name"] = "Einsum";
    }
  });
  EXPECT_NE(text.find("'add' (Einsum)"), std::string::npos) << text;
}

TEST(KerasConfig, SubclassedModelsAreRefused) {
  const std::string text = refusal<UnsupportedError>(
      "chain.json", [](json& config) { config["config"].erase("layers"); });
  EXPECT_NE(text.find("subclassed"), std::string::npos) << text;
}

json& origin(json& config, std::size_t layer) {
  return config["config"]["layers"][layer]["inbound_nodes"][0]["args"][0]["config"]
               ["keras_history"];
}

TEST(KerasConfig, BrokenGraphsAreRefused) {
  refusal<FormatError>("chain.json", [](json& c) { origin(c, 1)[0] = "nobody"; });
  refusal<FormatError>("chain.json", [](json& c) { origin(c, 1)[1] = 7; });
  refusal<FormatError>("chain.json", [](json& c) { origin(c, 1)[2] = 1; });
  refusal<FormatError>("chain.json", [](json& c) { origin(c, 1)[1] = -1; });
  refusal<FormatError>("chain.json", [](json& c) { origin(c, 1)[0] = "frozen"; });  // a loop
  refusal<FormatError>("chain.json", [](json& c) { origin(c, 1)[0] = "wide"; });
  refusal<FormatError>("chain.json", [](json& c) { c["config"]["output_layers"] = 3; });
  refusal<FormatError>("chain.json", [](json& c) {
    c["config"]["output_layers"] = {"frozen", 1, 0};
  });
  refusal<FormatError>("chain.json", [](json& c) { c["config"].erase("input_layers"); });
  refusal<FormatError>("chain.json", [](json& c) { c["config"]["layers"] = "none"; });
  refusal<FormatError>("chain.json",
                       [](json& c) { c["config"]["layers"].push_back(c["config"]["layers"][1]); });
}

json& calls_of(json& config, const std::string& name) {
  for (json& layer : config["config"]["layers"]) {
    if (layer["name"] == name) return layer["inbound_nodes"];
  }
  throw std::runtime_error("no layer " + name);
}

TEST(KerasConfig, ArgumentsOfCallsAreTakenByPlaceAndByName) {
  const auto predicted = [](const std::function<void(json&)>& change) {
    json config = read_json("transformer.json");
    change(calls_of(config, "attention")[0]);
    const ModelPtr model = Model::from_json_text(config.dump());
    fill(*model);
    return model->predict(inputs_for(*model))[0];
  };
  const Tensor y = predicted([](json&) {});
  EXPECT_TRUE(bitwise_equal(y, predicted([](json& call) {
                              call["kwargs"]["value"] = call["args"][1];
                              call["kwargs"]["query"] = call["args"][0];
                              call["args"] = json::array();
                            })));
  EXPECT_TRUE(bitwise_equal(y, predicted([](json& call) {
                              call["args"].push_back(nullptr);
                              call["kwargs"]["key"] = call["args"][1];
                            })));
  EXPECT_TRUE(bitwise_equal(y, predicted([](json& call) {  // given as key, query, value
                              for (const char* name : {"query", "value", "key"}) {
                                call["kwargs"][name] = call["args"][0];
                              }
                              call["args"] = json::array();
                            })));
  EXPECT_FALSE(
      bitwise_equal(y, predicted([](json& call) { call["kwargs"]["use_causal_mask"] = false; })));
}

// As in Keras, whose predict says so to every layer.
TEST(KerasConfig, CallsThatWereToTrainDoNotWhereTheModelPredicts) {
  json config = read_json("transformer.json");
  const auto predicted = [&] {
    const ModelPtr model = Model::from_json_text(config.dump());
    fill(*model);
    return model->predict(inputs_for(*model))[0];
  };
  const Tensor y = predicted();
  int dropouts = 0;
  for (json& layer : config["config"]["layers"]) {
    if (layer["class_name"] != "Dropout" && layer["class_name"] != "MultiHeadAttention") continue;
    layer["inbound_nodes"][0]["kwargs"]["training"] = true;
    ++dropouts;
  }
  EXPECT_EQ(dropouts, 4);
  EXPECT_TRUE(bitwise_equal(y, predicted()));
  calls_of(config, "attention")[0]["kwargs"]["training"] = 1;
  EXPECT_THROW((void)predicted(), UnsupportedError);
}

TEST(KerasConfig, CallsThatLackAnArgumentAreRefused) {
  for (const char* kept : {"query", "value", "key"}) {
    const std::string text = refusal<ValueError>("transformer.json", [&](json& config) {
      json& call = calls_of(config, "attention")[0];
      call["kwargs"][kept] = call["args"][0];
      call["args"] = json::array();
    });
    EXPECT_NE(text.find("Layer 'attention' (MultiHeadAttention): was called without the argument"),
              std::string::npos)
        << text;
  }
}

TEST(KerasConfig, ArgumentsOfCallsThatThereAreNotAreNamed) {
  const auto refused = [](const std::string& words, const std::function<void(json&)>& change) {
    const std::string text = refusal<UnsupportedError>(
        "transformer.json", [&](json& config) { change(calls_of(config, "attention")); });
    EXPECT_NE(text.find("layer 'attention' (MultiHeadAttention): " + words), std::string::npos)
        << text;
  };
  const auto keyword = [](const char* name, json value) {
    return [name, value](json& calls) { calls[0]["kwargs"][name] = value; };
  };
  refused("argument 'return_attention_scores' of its call", keyword("return_attention_scores", 1));
  refused("argument 'use_causal_mask' of its call", keyword("use_causal_mask", 1));
  refused("argument 'attention_mask' of its call",
          [](json& calls) { calls[0]["kwargs"]["attention_mask"] = json::array({true}); });
  refused("argument 'value' of its call",
          [](json& calls) { calls[0]["kwargs"]["value"] = calls[0]["args"][1]; });
  refused("argument 3 of its call", [](json& calls) {
    calls[0]["args"].push_back(nullptr);
    calls[0]["args"].push_back(calls[0]["args"][0]);
  });
}

TEST(KerasConfig, EveryTruncationIsRefused) {
  const std::string text = read_json("branches.json").dump();
  for (std::size_t length = 0; length < text.size(); length += 97) {
    EXPECT_THROW((void)Model::from_json_text(std::string_view(text).substr(0, length)),
                 FormatError);
  }
}

// Every value of the configuration, whatever it holds.
void collect(json& value, std::vector<json*>& out) {
  out.push_back(&value);
  if (!value.is_structured()) return;
  for (json& item : value) collect(item, out);
}

TEST(KerasConfig, EveryValueMayBeOfTheWrongType) {
  for (const char* file : {"branches.json", "transformer.json"}) {
    json config = read_json(file);
    std::vector<json*> all;
    collect(config, all);
    ASSERT_GT(all.size(), 300u);
    int refused = 0;
    for (json* value : all) {
      for (const json& wrong :
           {json(nullptr), json("text"), json(-3), json(1e300), json::array(), json::object()}) {
        json other = wrong;
        value->swap(other);  // and back later: pointers to what is inside stay good
        try {
          (void)Model::from_json_text(config.dump());  // some changes are harmless
        } catch (const Error&) {
          ++refused;
        }
        value->swap(other);
      }
    }
    EXPECT_GT(refused, 1000);
  }
}

std::string repeat(const std::string& text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(KerasConfig, HostileTextIsRefusedQuickly) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& text :
       {repeat("[", 1 << 20), repeat("{\"a\":", 1 << 20), "[" + repeat("0,", 8 << 20) + "0]",
        std::string(1 << 20, '"'), std::string("\0\xFF", 2), std::string(), std::string("3"),
        std::string(65 << 20, ' '), std::string("{\"class_name\":\"Functional\",\"config\":[]}"),
        std::string("{\"class_name\":\"Functional\",\"config\":{},\"module\":7}")}) {
    EXPECT_THROW((void)Model::from_json_text(text), Error);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

/// A call of a layer on what another call gave.
json call_on(const std::string& layer, int call) {
  const json tensor = {{"class_name", "__keras_tensor__"},
                       {"config", {{"keras_history", {layer, call, 0}}}}};
  return {{"args", json::array({tensor})}, {"kwargs", json::object()}};
}

json three_numbers() {
  return {{"module", "keras.layers"},
          {"class_name", "InputLayer"},
          {"config", {{"name", "x"}, {"batch_shape", {nullptr, 3}}}},
          {"name", "x"},
          {"inbound_nodes", json::array()}};
}

json model_on_x(const std::string& name, json layers, const json& output) {
  return {{"module", "keras"},
          {"class_name", "Functional"},
          {"config",
           {{"name", name},
            {"layers", std::move(layers)},
            {"input_layers", json::array({json::array({"x", 0, 0})})},
            {"output_layers", json::array({output})}}}};
}

// Each model calls the one within it twice.
std::string doubling(std::size_t depth) {
  json inner = {{"module", "keras.layers"}, {"class_name", "ReLU"}, {"config", {{"name", "relu"}}}};
  std::string name = "relu";
  for (std::size_t i = 0; i < depth; ++i) {
    inner["name"] = name;
    inner["inbound_nodes"] = json::array({call_on("x", 0), call_on(name, 0)});
    const json output = json::array({name, i == 0 ? 1 : 2, 0});
    name = "m" + std::to_string(i);
    inner = model_on_x(name, json::array({three_numbers(), inner}), output);
  }
  return inner.dump();
}

// So many layers, each of which is called on the input so many times.
std::string called(std::size_t layers, std::size_t times) {
  json all = json::array({three_numbers()});
  std::string name;
  for (std::size_t i = 0; i < layers; ++i) {
    name = "relu" + std::to_string(i);
    all.push_back({{"module", "keras.layers"},
                   {"class_name", "ReLU"},
                   {"config", {{"name", name}}},
                   {"name", name},
                   {"inbound_nodes", json::array_t(times, call_on("x", 0))}});
  }
  return model_on_x("m", std::move(all), json::array({name, times - 1, 0})).dump();
}

TEST(KerasConfig, ModelsThatDoubleWhatTheyNestAreRefusedQuickly) {
  const ModelPtr model = Model::from_json_text(doubling(5));
  const std::vector<float> x = {-1, 2, -3};
  const Tensor y = model->predict(Tensor::from(x, {1, 3}));
  EXPECT_EQ(std::vector<float>(y.data<float>().begin(), y.data<float>().end()),
            (std::vector<float>{0, 2, 0}));
  const auto start = std::chrono::steady_clock::now();
  for (const std::size_t depth : {22, 60}) {
    try {
      (void)Model::from_json_text(doubling(depth), "m.json");
      ADD_FAILURE() << depth;
    } catch (const FormatError& error) {
      EXPECT_EQ(std::string(error.what()).find("m.json: the model makes more than 1000000 calls"),
                0U)
          << error.what();
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(KerasConfig, ManyCallsOfOneLayerTakeNoLongerThanOfMany) {
  const auto seconds = [](const std::string& text) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(Model::from_json_text(text)->output().shape(), (Shape{kNone, 3}));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const double many = seconds(called(90, 1'000)), one = seconds(called(1, 90'000));
  EXPECT_LT(one, 3 * many + 1);
}

TEST(KerasConfig, MissingFilesAreNamed) {
  try {
    (void)Model::from_json(data_path("nothing.json"));
    FAIL();
  } catch (const FileNotFoundError& error) {
    EXPECT_NE(std::string(error.what()).find("nothing.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace lamina
