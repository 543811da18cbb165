// Every layer on a device as the CPU computes it, and as real Keras does, in each type that it may
// compute in. Also a part of test_gpu.
#include <lamina/model.h>

#include <map>
#include <random>

#include "ops/backend.h"
#include "tests/device_rounding.h"
#include "tests/fakes/tested_gpu.h"
#include "tests/fresh_seed.h"
#include "tests/layers/keras_cases.h"

namespace lamina {
namespace {

using lamina::testing::FakeOptions;
using lamina::testing::TestedGpu;
using nlohmann::json;
using test::Rounding;

struct LayerCase {
  std::size_t index;
  Rounding rounding;
};

std::string policy_of(const json& c) {
  const json& dtype = c.at("config").at("dtype");
  return dtype.is_string() ? dtype : dtype.at("config").at("name");
}

bool has_kernel(const json& c) {
  const json& all = c.at("variables");
  return std::any_of(all.begin(), all.end(), [](const json& variable) {
    return variable.at("name").get<std::string>().ends_with("kernel");
  });
}

/// Cases in float32 are tried in other types too, but float64, which nothing rounds; TF32 is of
/// products, and of GPUs, alone.
bool is_tried(const json& c, const Rounding& rounding) {
  if (rounding.float32 == Float32Precision::kTf32 && !(testing::kRealGpu && has_kernel(c))) {
    return false;
  }
  const std::string policy = policy_of(c);
  if (policy == "float32") return rounding.dtype != DType::kFloat64;
  return DTypePolicy::from_name(policy).compute == rounding.dtype;
}

std::vector<LayerCase> layer_cases() {
  std::vector<LayerCase> all;
  for (const std::size_t i : test::case_indices(false)) {
    for (const Rounding& rounding : test::roundings::kAll) {
      if (is_tried(test::keras_cases()[i], rounding)) all.push_back({i, rounding});
    }
  }
  return all;
}

ModelPtr model_of(const json& c, const Rounding& rounding) {
  json config = c.at("config");
  if (policy_of(c) == "float32") config["dtype"] = rounding.policy;
  const LayerPtr layer = test::layer_of(c, config);
  const SymbolicTensors inputs = test::placeholders(c);
  ModelPtr model =
      Functional::create(inputs, {layer->apply(inputs, test::arguments_of(c)).front()});
  test::assign_variables(c, *layer);
  return model;
}

/// Small integers where the case takes integers.
std::vector<Tensor> fresh_inputs(const json& c, std::mt19937& random) {
  std::normal_distribution<double> normal(0, 1.5);
  const DType dtype = dtype_from_name(c.at("input_dtype").get<std::string>());
  std::vector<Tensor> inputs;
  for (const json& dims : c.at("input_shapes")) {
    std::vector<std::int64_t> sizes = test::to_shape(dims).dims();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == kNone) sizes[i] = i == 0 ? 2 : 5;
    }
    Tensor values = Tensor::empty(Shape(std::move(sizes)), DType::kFloat64);
    for (double& value : values.data<double>()) {
      value = is_floating(dtype) ? normal(random) : static_cast<double>(random() % 4);
    }
    inputs.push_back(values.cast(dtype));
  }
  return inputs;
}

/// One device for all: to start its libraries takes long.
class DeviceLayer : public ::testing::TestWithParam<LayerCase> {
 protected:
  void SetUp() override {
    LAMINA_NEED_TESTED_GPU();
    if (!gpu_) {
      gpu_ = std::make_unique<TestedGpu>(FakeOptions{.seed = lamina::test::fresh_seed()},
                                         runtime::PinnedRing::Options{2, 1 << 16});
    }
    const Float32Precision precision = GetParam().rounding.float32;
    set_float32_precision(precision);
    auto& started = started_[precision];
    if (!started) started = ops::make_backend(Device::cuda());
  }
  void TearDown() override {
    set_float32_precision(Float32Precision::kStrict);
    if (!gpu_) return;
    gpu_->expect_order();
    gpu_->expect_unused();
  }
  static void TearDownTestSuite() {
    started_.clear();
    gpu_.reset();
  }

 private:
  static inline std::unique_ptr<TestedGpu> gpu_;
  static inline std::map<Float32Precision, std::shared_ptr<ops::Backend>> started_;
};

TEST_P(DeviceLayer, ComputesWhatTheCpuAndKerasCompute) {
  const auto& [index, rounding] = GetParam();
  const json& c = test::keras_cases()[index];
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed) + ", " + c["config"].dump());
  std::mt19937 random(seed);
  const ModelPtr model = model_of(c, rounding);
  const std::vector<Tensor> inputs = fresh_inputs(c, random);
  const Tensor here = model->predict(inputs).at(0);
  const double relative = is_floating(here.dtype()) ? rounding.layer : 0;
  model->to(Device::cuda());
  for (int run = 0; run < 3; ++run) {  // by itself, as it is recorded, and from the recording
    test::expect_within(model->predict(inputs).at(0), here, relative);
  }
  if (!c.contains("output")) return;
  const Tensor keras = test::to_tensor(c["output"]);
  if (keras.dtype() != here.dtype()) return;
  // The file has eight digits.
  test::expect_within(model->predict(test::given_inputs(c)).at(0), keras, std::max(relative, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Each, DeviceLayer, ::testing::ValuesIn(layer_cases()),
                         [](const auto& info) {
                           return test::case_name(info.param.index) + "_" +
                                  info.param.rounding.name;
                         });

}  // namespace
}  // namespace lamina
