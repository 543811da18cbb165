// Every layer as real Keras computes it: data/keras_cases.json, written by
// data/make_keras_cases.py.
#include <gtest/gtest.h>
#include <lamina/layers.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "layers/registry.h"
#include "tests/layers/execute.h"

using namespace lamina;
using nlohmann::json;

namespace {

const json& keras_cases() {
  static const json file = [] {
    std::ifstream stream(LAMINA_TEST_DATA "/keras_cases.json");
    return json::parse(stream);
  }();
  return file.at("cases");
}

Shape to_shape(const json& dims) {
  Shape shape;
  for (const json& dim : dims) shape.push_back(dim.is_null() ? kNone : dim.get<std::int64_t>());
  return shape;
}

Tensor to_tensor(const json& j) {
  const Tensor exact =
      Tensor::from<double>(j.at("values").get<std::vector<double>>(), to_shape(j.at("shape")));
  return exact.cast(dtype_from_name(j.at("dtype").get<std::string>()));
}

// The layer of a case, applied to placeholders.
SymbolicTensor apply(const json& c, LayerPtr& layer) {
  layer = layers::layer_from_config(c.at("class_name"), c.at("config"));
  EXPECT_NE(layer, nullptr) << c.at("class_name");
  SymbolicTensors inputs;
  const std::string dtype = c.at("input_dtype");
  for (const json& shape : c.at("input_shapes")) {
    inputs.push_back(layers::Input({.batch_shape = to_shape(shape), .dtype = dtype}));
  }
  return (*layer)(inputs);
}

void expect_close(const Tensor& found, const json& expected) {
  const Tensor want = to_tensor(expected).cast(DType::kFloat64);
  ASSERT_EQ(found.shape(), want.shape());
  const Tensor got = found.cast(DType::kFloat64);
  for (std::int64_t i = 0; i < want.size(); ++i) {
    const double w = want.data<double>()[i], g = got.data<double>()[i];
    ASSERT_LE(std::fabs(g - w), 2e-5 * (1 + std::fabs(w)))
        << "element " << i << ": " << g << " for " << w;
  }
}

class KerasCase : public ::testing::TestWithParam<std::size_t> {
 protected:
  const json& keras_case() const { return keras_cases()[GetParam()]; }
};
using KerasNumbers = KerasCase;

// All cases, or those that come with numbers (narrow dtypes do not: the backends' tests hold
// those).
std::vector<std::size_t> indices(bool with_numbers) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < keras_cases().size(); ++i) {
    if (!with_numbers || keras_cases()[i].contains("output")) result.push_back(i);
  }
  return result;
}

std::string case_name(const ::testing::TestParamInfo<std::size_t>& info) {
  return std::to_string(info.param) + "_" +
         keras_cases()[info.param].at("class_name").get<std::string>();
}

}  // namespace

TEST_P(KerasCase, HasItsShapeAndVariables) {
  const json& c = keras_case();
  SCOPED_TRACE(c["config"].dump());
  LayerPtr layer;
  const SymbolicTensor output = apply(c, layer);
  EXPECT_EQ(output.shape().str(), to_shape(c["output_shape"]).str());
  EXPECT_EQ(dtype_name(output.dtype()), c["output_dtype"].get<std::string>());
  EXPECT_EQ(layer->name(), c["config"]["name"].get<std::string>());
  EXPECT_EQ(layer->class_name(), c["class_name"].get<std::string>());
  const auto variables = layer->own_variables();
  ASSERT_EQ(variables.size(), c["variables"].size());
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const json& expected = c["variables"][i];
    EXPECT_EQ(variables[i]->name(), expected["name"].get<std::string>());
    EXPECT_EQ(variables[i]->trainable(), expected["trainable"].get<bool>());
    EXPECT_EQ(variables[i]->shape(), to_shape(expected["value"]["shape"]));
    EXPECT_EQ(dtype_name(variables[i]->dtype()), expected["value"]["dtype"].get<std::string>());
  }
}

TEST_P(KerasNumbers, AreWhatKerasComputes) {
  const json& c = keras_case();
  SCOPED_TRACE(c["config"].dump());
  LayerPtr layer;
  (void)apply(c, layer);
  const auto variables = layer->own_variables();
  for (std::size_t i = 0; i < variables.size(); ++i) {
    variables[i]->assign(to_tensor(c["variables"][i]["value"]));
  }
  std::vector<Tensor> inputs;
  for (const json& input : c["inputs"]) inputs.push_back(to_tensor(input));
  const std::vector<Tensor> outputs = lamina::testing::execute(*layer, inputs);
  ASSERT_EQ(outputs.size(), 1u);
  expect_close(outputs[0], c["output"]);
}

INSTANTIATE_TEST_SUITE_P(All, KerasCase, ::testing::ValuesIn(indices(false)), case_name);
INSTANTIATE_TEST_SUITE_P(WithNumbers, KerasNumbers, ::testing::ValuesIn(indices(true)), case_name);
