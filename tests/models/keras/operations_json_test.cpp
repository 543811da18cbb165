// Operations of keras.ops in Keras's JSON: read, written again, refused.
#include <gmock/gmock.h>
#include <lamina/ops.h>

#include <limits>

#include "tests/models/helpers.h"

namespace lamina {
namespace {

using namespace test;
using nlohmann::json;
using ::testing::HasSubstr;

const json kX = {
    {"class_name", "__keras_tensor__"},
    {"config", {{"shape", {nullptr, 4, 3}}, {"dtype", "float32"}, {"keras_history", {"x", 0, 0}}}}};

json slice(const json& start, const json& stop, const json& step) {
  return {{"class_name", "__slice__"},
          {"config", {{"start", start}, {"stop", stop}, {"step", step}}}};
}

const json kArray = {{"class_name", "__numpy__"},
                     {"config", {{"value", {{1, 2}, {3, -1}}}, {"dtype", "int64"}}}};

/// A model of one operation on a placeholder (None, 4, 3), as Keras writes it.
json model_of(const std::string& module, const std::string& class_name, json config,
              const json& args, const json& keywords = json::object()) {
  config["name"] = "op";
  const json input = {
      {"module", "keras.layers"},
      {"class_name", "InputLayer"},
      {"config",
       {{"batch_shape", {nullptr, 4, 3}}, {"dtype", "float32"}, {"sparse", false}, {"name", "x"}}},
      {"registered_name", nullptr},
      {"name", "x"},
      {"inbound_nodes", json::array()}};
  const json operation = {{"module", "keras.src.ops." + module},
                          {"class_name", class_name},
                          {"config", std::move(config)},
                          {"registered_name", class_name},
                          {"name", "op"},
                          {"inbound_nodes", json::array({{{"args", args}, {"kwargs", keywords}}})}};
  return {{"module", "keras.src.models.functional"},
          {"class_name", "Functional"},
          {"config",
           {{"name", "functional"},
            {"trainable", true},
            {"layers", {input, operation}},
            {"input_layers", {"x", 0, 0}},
            {"output_layers", {"op", 0, 0}}}},
          {"registered_name", "Functional"}};
}

json operation_in(const json& model) {
  return model.at("config").at("layers").at(1);
}

TEST(OperationsJson, AreWrittenAsTheyWereRead) {
  const json all = slice(nullptr, nullptr, nullptr),
             ellipsis = {{"class_name", "__ellipsis__"}, {"config", json::object()}};
  const json none = json::object(), axis = {{"axis", {1, -1}}, {"keepdims", true}};
  const std::vector<json> models{
      model_of("numpy", "Add", none, {kX, 2}),
      model_of("numpy", "TrueDivide", none, {1.5, kX}),
      model_of("numpy", "Multiply", none, {kX, kX}),
      model_of("numpy", "Power", none, {kX, 2}),
      model_of("numpy", "Greater", none, {kX, 0.5}),
      model_of("numpy", "Mean", axis, json::array({kX})),
      model_of("numpy", "Max", {{"axis", nullptr}, {"keepdims", false}, {"initial", nullptr}},
               json::array({kX})),
      model_of("numpy", "Reshape", {{"newshape", {-1, 12}}}, json::array({kX})),
      model_of("numpy", "Transpose", {{"axes", {0, 2, 1}}}, json::array({kX})),
      model_of("numpy", "Concatenate", {{"axis", -1}}, json::array({{kX, kX}})),
      model_of("numpy", "Take", {{"axis", 1}}, {kX, {0, 2}}),
      model_of("numpy", "GetItem", none, {kX, {all, slice(1, nullptr, 2), -1}}),
      model_of("numpy", "GetItem", none, {kX, {all, slice(nullptr, 0, -2)}}),
      model_of("numpy", "GetItem", none, {kX, {ellipsis, nullptr, 0}}),
      model_of("numpy", "GetItem", none, {kX, 0}),
      model_of("numpy", "Take", {{"axis", 1}}, {kX, kArray}),
      model_of("numpy", "Einsum", {{"subscripts", "bij, bkj -> bik"}}, {kX, kX}),
      model_of("numpy", "Tensordot", {{"axes", {{1, 2}, {1, 2}}}}, {kX, kX}),
      model_of("numpy", "Power", none, {kX, kX}),
      model_of("numpy", "Power", none, {2.0, kX}),
      model_of("numpy", "Split", {{"indices_or_sections", 2}, {"axis", 1}}, json::array({kX})),
      model_of("numpy", "Split", {{"indices_or_sections", {1, 3}}, {"axis", 1}}, json::array({kX})),
      model_of("core", "Unstack", {{"num", nullptr}, {"axis", 1}}, json::array({kX})),
      model_of("numpy", "Cumsum", {{"axis", 1}, {"dtype", nullptr}}, json::array({kX})),
      model_of("numpy", "Argmax", {{"axis", -1}, {"keepdims", false}}, json::array({kX})),
      model_of("linalg", "Norm", {{"ord", nullptr}, {"axis", -1}, {"keepdims", false}},
               json::array({kX})),
      model_of("nn", "Normalize", {{"axis", -1}, {"order", 2}, {"epsilon", nullptr}},
               json::array({kX})),
      model_of("math", "Logsumexp", {{"axis", 1}, {"keepdims", false}}, json::array({kX})),
      model_of("numpy", "Roll", {{"shift", 2}, {"axis", 1}}, json::array({kX})),
      model_of("numpy", "Repeat", {{"repeats", {1, 2, 0, 1}}, {"axis", 1}}, json::array({kX})),
      model_of("numpy", "Tile", {{"repeats", {1, 2, 1}}}, json::array({kX})),
      model_of("numpy", "Pad", {{"pad_width", {{0, 0}, {1, 2}, {0, 0}}}, {"mode", "reflect"}},
               json::array({kX})),
      model_of("numpy", "FullLike", {{"dtype", nullptr}}, {kX, 2.5}),
      model_of("core", "StopGradient", none, json::array({kX})),
      model_of("numpy", "Clip", {{"x_min", 0}, {"x_max", 1.5}}, json::array({kX})),
      model_of("math", "Rsqrt", none, json::array({kX})),
      model_of("core", "Cast", {{"dtype", "float16"}}, json::array({kX})),
      model_of("nn", "Gelu", {{"approximate", false}}, json::array({kX})),
      model_of("nn", "Softmax", {{"axis", -1}}, json::array({kX})),
      model_of("nn", "LayerNorm", {{"axis", -1}, {"epsilon", nullptr}, {"rms_scaling", false}},
               {kX, nullptr, nullptr}),
      model_of("nn", "LayerNorm", {{"axis", {1, 2}}, {"epsilon", 0.1}}, {kX, nullptr, kX}),
      model_of("nn", "RMSNorm", {{"axis", 1}, {"epsilon", nullptr}}, json::array({kX}),
               {{"scale", nullptr}}),
      model_of("nn", "RMSNorm", {{"axis", -1}, {"epsilon", nullptr}}, json::array({kX}),
               {{"scale", kX}}),
      model_of("numpy", "Percentile", {{"axis", {1, 2}}, {"method", "linear"}, {"keepdims", false}},
               {kX, 30}),
      model_of("numpy", "Isclose", {{"equal_nan", false}}, {kX, 0.5, 0.1, 1e-8}),
      model_of("numpy", "DivideNoNan", none, {2, kX}),
      model_of("numpy", "Nansum", axis, json::array({kX})),
      model_of("numpy", "Cross", {{"axisa", -1}, {"axisb", -1}, {"axisc", -1}, {"axis", nullptr}},
               {kX, kX}),
      model_of("numpy", "Diagonal", {{"offset", 1}, {"axis1", 1}, {"axis2", 2}}, json::array({kX})),
      model_of("numpy", "Rot90", {{"k", 1}, {"axes", {1, 2}}}, json::array({kX})),
      model_of("core", "SaturateCast", {{"dtype", "uint8"}}, json::array({kX}))};
  for (const json& wanted : models) {
    SCOPED_TRACE(operation_in(wanted).dump());
    const ModelPtr model = Model::from_json_text(wanted.dump());
    EXPECT_EQ(operation_in(json::parse(model->to_json())), operation_in(wanted));
    const ModelPtr copy = models::clone_model(*model);
    const Tensor x = wave({3, 4, 3}, 0.5, 0.4, 0.7, 0);
    EXPECT_TRUE(bitwise_equal(copy->predict_on_batch(x), model->predict_on_batch(x)));
  }
}

TEST(OperationsJson, KeepWhetherANumberHasAPoint) {
  for (const json& number : {json(2), json(2.0)}) {
    const json written = json::parse(
        Model::from_json_text(model_of("numpy", "Add", {}, {kX, number}).dump())->to_json());
    EXPECT_EQ(operation_in(written)["inbound_nodes"][0]["args"][1].is_number_integer(),
              number.is_number_integer());
  }
}

TEST(OperationsJson, WithANumberThatIsNotFiniteAreNotWritten) {
  const double infinity = std::numeric_limits<double>::infinity();
  const SymbolicTensor x = input(3, "x");
  for (const SymbolicTensor& y : {ops::maximum(x, -infinity), ops::clip(x, 0, infinity)}) {
    const auto model = Functional::create(x, y);
    EXPECT_NO_THROW((void)model->predict_on_batch(wave({2, 3}, 0, 1, 0.7, 0)));
    EXPECT_THROW((void)model->to_json(), UnsupportedError);
  }
}

TEST(OperationsJson, WhatTheyDoNotHaveIsRefusedByName) {
  const json none = json::object(), tensor = {{"tensor", 0}};
  const std::vector<std::pair<json, std::string>> cases{
      {model_of("numpy", "Add", none, json::array({kX})), "what it is called with"},
      {model_of("numpy", "Add", none, {1, 2}), "what it is called with"},
      {model_of("numpy", "Add", none, {kX, "2"}), "what it is called with"},
      {model_of("numpy", "Add", none, {kX, tensor}), "class_name"},
      {model_of("numpy", "Add", none, {kX, json::array({kX})}), "what it is called with"},
      {model_of("numpy", "Exp", none, {kX, kX}), "what it is called with"},
      {model_of("numpy", "Mean", {{"axis", "1"}}, json::array({kX})), "option 'axis'"},
      {model_of("numpy", "Mean", {{"axis", 1}, {"keepdims", 3}}, json::array({kX})),
       "option 'keepdims'"},
      {model_of("numpy", "Mean", {{"axis", 7}}, json::array({kX})), "axis 7 is out of bounds"},
      {model_of("numpy", "Mean", {{"dtype", "int8"}}, json::array({kX})), "option 'dtype'"},
      {model_of("numpy", "Max", {{"axis", 1}, {"initial", 0.5}}, json::array({kX})),
       "option 'initial'"},
      {model_of("numpy", "Reshape", {{"newshape", {-1, -1}}}, json::array({kX})),
       "at most one unknown"},
      {model_of("numpy", "Reshape", {{"newshape", json::array({1ULL << 41})}}, json::array({kX})),
       "too large"},
      {model_of("numpy", "Concatenate", {{"axis", 0}}, {kX, kX}), "what it is called with"},
      {model_of("numpy", "Take", {{"axis", 1}}, {kX, kX}), "indices of the dtype float32"},
      {model_of("numpy", "Take", {{"axis", 1}}, {kX, {{1, 2}, {3}}}), "no list of indices"},
      {model_of("numpy", "Take", {{"axis", 1}}, {kX, 0.5}), "no list of indices"},
      {model_of("numpy", "TakeAlongAxis", {{"axis", 1}}, {kX, {1}}), "indices that are no tensor"},
      {model_of("numpy", "Mean", {{"axis", {1, -2}}}, json::array({kX})), "duplicate value"},
      {model_of("numpy", "Einsum", {{"subscripts", "bii->bi"}}, json::array({kX})), "stands twice"},
      {model_of("numpy", "Einsum", {{"subscripts", "bij->bik"}}, json::array({kX})),
       "no operand has"},
      {model_of("numpy", "Split", {{"indices_or_sections", 3}, {"axis", 1}}, json::array({kX})),
       "must be divisible"},
      {model_of("numpy", "Split", {{"indices_or_sections", 1LL << 60}, {"axis", 0}},
                json::array({kX})),
       "so many parts"},
      {model_of("numpy", "Tile", {{"repeats", {1, 1LL << 62, 1}}}, json::array({kX})), "too large"},
      {model_of("numpy", "Repeat", {{"repeats", -1}, {"axis", 1}}, json::array({kX})), "negative"},
      {model_of("numpy", "Pad", {{"pad_width", {1, 2, 3}}, {"mode", "constant"}},
                json::array({kX})),
       "option 'pad_width'"},
      {model_of("numpy", "Pad", {{"pad_width", 1}, {"mode", "wrap"}}, json::array({kX})),
       "the mode 'wrap'"},
      {model_of("nn", "OneHot", {{"num_classes", "3"}}, json::array({kX})), "option 'num_classes'"},
      {model_of("linalg", "Norm", {{"ord", "nuc"}, {"axis", 1}}, json::array({kX})),
       "option 'ord'"},
      {model_of("numpy", "Take", {{"axis", 1}}, {kX, {0, 4}}), "index 4 is out of bounds"},
      {model_of("numpy", "GetItem", none, {kX, kX}), "subscript by tensors"},
      {model_of("numpy", "GetItem", none, {kX, slice(0, "a", 1)}), "slice by tensors"},
      {model_of("numpy", "GetItem", none, {kX, slice(0, 1, 0)}), "slice step cannot be zero"},
      {model_of("numpy", "GetItem", none, {kX, {0, 4}}), "out-of-bounds"},
      {model_of("core", "Cast", {{"dtype", "complex64"}}, json::array({kX})), "'complex64'"},
      {model_of("nn", "Gelu", {{"approximate", 1}}, json::array({kX})), "option 'approximate'"},
      {model_of("nn", "Elu", {{"alpha", "a"}}, json::array({kX})), "option 'alpha'"},
      {model_of("nn", "LayerNorm", {{"axis", -1}, {"rms_scaling", true}}, json::array({kX})),
       "option 'rms_scaling'"},
      {model_of("nn", "RMSNorm", {{"axis", -1}}, {kX, kX}), "what it is called with"},
      {model_of("nn", "RMSNorm", {{"axis", -1}}, json::array({kX}), {{"scale", 2}}),
       "what it is called with"},
      {model_of("nn", "RMSNorm", {{"axis", -1}}, json::array({kX}), {{"scale", "a"}}),
       "argument 'scale'"},
      {model_of("nn", "BatchNorm", {{"axis", -1}}, json::array({kX})), "what it is called with"},
      {model_of("nn", "DotProductAttention", none, json::array({kX})), "what it is called with"},
      {model_of("nn", "DotProductAttention", {{"attn_logits_soft_cap", 5.0}}, {kX, kX, kX}),
       "option 'attn_logits_soft_cap'"},
      {model_of("numpy", "Pad", {{"pad_width", 1}, {"mode", "constant"}}, json::array({kX}),
                {{"constant_values", kX}}),
       "argument 'constant_values'"},
      {model_of("numpy", "Isclose", none, {kX, 1, kX}), "what it is called with"},
      {model_of("numpy", "Diag", {{"k", 1LL << 40}}, json::array({kX})), "that large"},
      {model_of("numpy", "Percentile", {{"method", "lower"}}, {kX, 30}), "other than 'linear'"},
      {model_of("numpy", "Corrcoef", none, json::array({kX})), "this operation of keras.ops"}};
  for (const auto& [config, what] : cases) {
    try {
      (void)Model::from_json_text(config.dump());
      ADD_FAILURE() << "taken: " << operation_in(config);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(what)) << operation_in(config);
    }
  }
}

TEST(OperationsJson, AreGivenNumbersByNameWhereTheyTakeThem) {
  json config =
      model_of("numpy", "Pad", {{"pad_width", 1}, {"mode", "constant"}}, json::array({kX}));
  json& node = config["config"]["layers"][1]["inbound_nodes"][0];
  node["kwargs"]["constant_values"] = 2.5;
  const json written = json::parse(Model::from_json_text(config.dump())->to_json());
  EXPECT_EQ(operation_in(written)["inbound_nodes"][0]["kwargs"]["constant_values"], 2.5);
  config = model_of("numpy", "Exp", json::object(), json::array({kX}));
  config["config"]["layers"][1]["inbound_nodes"][0]["kwargs"]["constant_values"] = 2.5;
  EXPECT_THROW((void)Model::from_json_text(config.dump()), UnsupportedError);
}

TEST(OperationsJson, ThatAreGivenMoreByNameAreRefused) {
  json config = model_of("numpy", "Add", json::object(), {kX, 1});
  json& node = config["config"]["layers"][1]["inbound_nodes"][0];
  node["kwargs"]["mask"] = nullptr;
  EXPECT_NO_THROW((void)Model::from_json_text(config.dump()));
  node["kwargs"]["where"] = kX;
  EXPECT_THROW((void)Model::from_json_text(config.dump()), UnsupportedError);
}

}  // namespace
}  // namespace lamina
