// The kernels of float32 (oneDNN and loops) and of the mixed policies against float64 (the
// reference), on sizes that take the fast paths.
#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "tests/training/graph/gradient_check.h"

namespace lamina::training {
namespace {

using namespace testkit;

/// Two outputs, and layers of every kind of kernel.
ModelPtr convnet(const std::string& policy) {
  clear_session();
  set_dtype_policy(policy);
  const auto x = layers::Input({.dtype = "float32", .batch_shape = Shape{4, 16, 18, 3}});
  auto y = layers::Conv2D({.filters = 32, .kernel_size = 3, .padding = "same"})(x);
  y = layers::Activation({.activation = "silu"})(layers::BatchNormalization()(y));
  const auto skip = y;
  y = layers::Conv2D({.filters = 32, .kernel_size = 3, .padding = "same", .use_bias = false})(y);
  y = layers::Activation({.activation = "tanh"})(layers::BatchNormalization()(y));
  y = layers::Add()({y, skip});
  y = layers::DepthwiseConv2D({.kernel_size = 3, .strides = 2, .padding = "same"})(y);
  auto gate = layers::GlobalAveragePooling2D({.keepdims = true})(y);
  gate = layers::Conv2D({.filters = 32, .kernel_size = 1, .activation = "sigmoid"})(gate);
  y = layers::Multiply()({y, gate});
  y = layers::Conv2D({.filters = 48, .kernel_size = 1, .activation = "gelu"})(y);
  y = layers::LayerNormalization()(layers::AveragePooling2D({.pool_size = 2})(y));
  const auto features = layers::Flatten()(layers::Dropout({.rate = 0.2})(y));
  const auto model =
      Functional::create({x}, {layers::Dense({.units = 10, .activation = "softmax"})(features),
                               layers::GlobalMaxPooling2D()(y)});
  set_dtype_policy("float32");
  return model;
}

std::vector<double> flattened(const std::vector<Tensor>& tensors) {
  std::vector<double> values;
  for (const Tensor& tensor : tensors) {
    const Tensor wide = tensor.cast(DType::kFloat64);
    const auto data = std::as_const(wide).data<double>();
    values.insert(values.end(), data.begin(), data.end());
  }
  return values;
}

struct Step {
  std::vector<double> outputs, gradients;
};

Step step_of(Model& model, const Tensor& data, const std::vector<Tensor>& seeds) {
  TrainGraph graph(model, {data.shape()});
  Step step;
  const std::vector<Tensor>& outputs = graph.forward({data}, {3, 9});
  step.outputs = flattened(outputs);
  std::vector<Tensor> cast;
  for (std::size_t i = 0; i < seeds.size(); ++i) cast.push_back(seeds[i].cast(outputs[i].dtype()));
  step.gradients = flattened(graph.backward(cast));
  return step;
}

/// Root mean square of the difference, relative to that of `exact`.
double distance(const std::vector<double>& got, const std::vector<double>& exact) {
  EXPECT_EQ(got.size(), exact.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    difference += (got[i] - exact[i]) * (got[i] - exact[i]);
    size += exact[i] * exact[i];
  }
  return std::sqrt(difference / size);
}

class GradientInANarrowType : public testing::TestWithParam<std::pair<std::string, double>> {};

/// How far outputs and gradients of a random network are from those of float64.
std::pair<double, double> distances(const std::string& policy, Random& random) {
  const ModelPtr exact = convnet("float64"), narrow = convnet(policy);
  randomize(*exact, random);
  const auto from = exact->variables(), to = narrow->variables();
  EXPECT_EQ(from.size(), to.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i]->assign(from[i]->value().clone());
  const Tensor data = random_normal({4, 16, 18, 3}, DType::kFloat32, random);
  const std::vector<Tensor> seeds{random_normal({4, 10}, DType::kFloat64, random),
                                  random_normal({4, 48}, DType::kFloat64, random)};
  const Step wanted = step_of(*exact, data, seeds), got = step_of(*narrow, data, seeds);
  return {distance(got.outputs, wanted.outputs), distance(got.gradients, wanted.gradients)};
}

// The median of several draws: where rounding turns a maximum or the sign of a ReLU over, a whole
// gradient goes another way, in some draws several times as far as in most.
TEST_P(GradientInANarrowType, FollowsThatInFloat64) {
  Seeded random;
  SCOPED_TRACE(random.note());
  const auto& [policy, tolerance] = GetParam();
  std::array<double, 7> outputs{}, gradients{};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::tie(outputs[i], gradients[i]) = distances(policy, *random);
  }
  std::sort(outputs.begin(), outputs.end());
  std::sort(gradients.begin(), gradients.end());
  EXPECT_LT(outputs[3], tolerance);
  EXPECT_LT(gradients[3], tolerance);
  // Narrow kernels did the work: float64's would agree to the bit.
  EXPECT_GT(gradients[0], 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Policies, GradientInANarrowType,
                         testing::Values(std::pair<std::string, double>{"float32", 2e-5},
                                         std::pair<std::string, double>{"mixed_float16", 5e-2},
                                         std::pair<std::string, double>{"mixed_bfloat16", 2e-1}),
                         [](const auto& info) { return info.param.first; });

}  // namespace
}  // namespace lamina::training
