// Every layer as real Keras computes it.
#include "tests/layers/keras_cases.h"

#include <cmath>
#include <set>

#include "layers/config/registry.h"
#include "tests/layers/execute.h"

using namespace lamina;
using namespace lamina::test;
using nlohmann::json;

namespace {

// The layer of a case, applied to placeholders.
SymbolicTensor apply(const json& c, LayerPtr& layer) {
  layer = layer_of(c, c.at("config"));
  EXPECT_NE(layer, nullptr) << c.at("class_name");
  return layer->apply(placeholders(c), arguments_of(c)).front();
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
  void SetUp() override { clear_session(); }  // variables without a name are counted
  const json& keras_case() const { return keras_cases()[GetParam()]; }
};
using KerasNumbers = KerasCase;

std::string name_of(const ::testing::TestParamInfo<std::size_t>& info) {
  return case_name(info.param);
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
  EXPECT_EQ(layers::exported_name(*layer), c["class_name"].get<std::string>());
  const auto variables = layer->variables();
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
  assign_variables(c, *layer);
  const std::vector<Tensor> outputs = lamina::testing::execute(*layer, given_inputs(c), form_of(c));
  ASSERT_EQ(outputs.size(), c.value("outputs", std::size_t{1}));
  expect_close(outputs[0], c["output"]);
}

INSTANTIATE_TEST_SUITE_P(All, KerasCase, ::testing::ValuesIn(case_indices(false)), name_of);
INSTANTIATE_TEST_SUITE_P(WithNumbers, KerasNumbers, ::testing::ValuesIn(case_indices(true)),
                         name_of);

TEST(KerasCases, AreOfEveryLayerThatIsRegistered) {
  std::set<std::string> met{"InputLayer"};  // which computes nothing
  for (const std::size_t i : case_indices(true)) met.insert(keras_cases()[i].at("class_name"));
  const auto registered = layers::registered_layers();
  EXPECT_EQ(met, std::set<std::string>(registered.begin(), registered.end()));
}
