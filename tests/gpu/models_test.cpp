// Models, their predictions and their weights files, on a GPU against the CPU.
#include <lamina/lamina.h>

#include <fstream>
#include <iterator>
#include <random>

#include "device.h"
#include "tests/device_rounding.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using lamina::testing::memory_directory;
using lamina::testing::TemporaryDirectory;

Tensor random_images(const Shape& shape) {
  std::mt19937 random(lamina::test::fresh_seed());
  Tensor out = Tensor::empty(shape);
  for (float& pixel : out.data<float>()) {
    pixel = std::uniform_real_distribution<float>(0, 255)(random);
  }
  return out;
}

void expect_near(const Tensor& got, const Tensor& wanted) {
  test::expect_within(got, wanted, test::roundings::kFloat32.model);
}

TEST(GpuModel, PredictsAsTheCpuDoes) {
  LAMINA_NEED_GPU();
  const ModelPtr model = applications::EfficientNetV2B0();
  const Tensor x = random_images({3, 224, 224, 3});
  const Tensor here = model->predict(x);
  model->to(Device::cuda());
  for (int run = 0; run < 3; ++run) expect_near(model->predict(x), here);
  expect_near(model->predict(x, {.batch_size = 2}), here);
  model->to(Device::cpu());
  EXPECT_TRUE(bitwise_equal(model->predict(x), here));
}

TEST(GpuModel, ComputesWithTheWeightsItHasNow) {
  LAMINA_NEED_GPU();
  const TemporaryDirectory directory(memory_directory());
  const ModelPtr here = applications::EfficientNetV2B0(), there = applications::EfficientNetV2B0();
  const Tensor x = random_images({2, 224, 224, 3});
  there->to(Device::cuda());
  for (int run = 0; run < 3; ++run) (void)there->predict(x);  // recorded by now
  here->save_weights(directory / "a.weights.h5");
  there->load_weights(directory / "a.weights.h5");
  const Tensor wanted = here->predict(x);
  for (int run = 0; run < 3; ++run) expect_near(there->predict(x), wanted);
}

class GpuRounding : public ::testing::TestWithParam<test::Rounding> {
 protected:
  GpuRounding() {
    set_dtype_policy(GetParam().policy);
    set_float32_precision(GetParam().float32);
  }
  ~GpuRounding() override {
    set_dtype_policy("float32");
    set_float32_precision(Float32Precision::kStrict);
  }
};

TEST_P(GpuRounding, IsAllThatTellsItFromTheCpu) {
  LAMINA_NEED_GPU();
  const ModelPtr model = applications::EfficientNetV2B0();
  const Tensor x = random_images({3, 224, 224, 3});
  const Tensor here = model->predict(x);
  model->to(Device::cuda());
  for (int run = 0; run < 3; ++run) {
    test::expect_within(model->predict(x), here, GetParam().model);
  }
}
INSTANTIATE_TEST_SUITE_P(Each, GpuRounding,
                         ::testing::Values(test::roundings::kTf32, test::roundings::kFloat16,
                                           test::roundings::kBFloat16),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(GpuModel, ComputesTheSameByEnginesThatWereMeasured) {
  LAMINA_NEED_GPU();
  const TemporaryDirectory directory;
  const auto table = [&] {
    std::ifstream in(directory / "engines.txt", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const ModelPtr model = applications::EfficientNetV2B0();
  const Tensor x = random_images({3, 224, 224, 3});
  const Tensor here = model->predict(x);
  set_autotuning({.enabled = true, .directory = directory.path()});
  model->to(Device::cuda());
  const Tensor first = model->predict(x);
  expect_near(first, here);
  const std::string measured = table();
  EXPECT_FALSE(measured.empty());
  model->to(Device::cpu());
  model->to(Device::cuda());
  EXPECT_TRUE(bitwise_equal(model->predict(x), first)) << "the same engines, from the file";
  EXPECT_EQ(table(), measured);
  set_autotuning({});
}

TEST(GpuModel, SavesAndLoadsWhereItIs) {
  LAMINA_NEED_GPU();
  const TemporaryDirectory directory(memory_directory());
  const ModelPtr here = applications::EfficientNetV2B0(), there = applications::EfficientNetV2B0();
  there->to(Device::cuda());
  here->save_weights(directory / "a.weights.h5");
  there->load_weights(directory / "a.weights.h5");
  SaveHandle saving =
      there->save_weights_async(directory / "b.weights.json", {.save = {.max_shard_size = 0.01}});
  saving.wait();
  const ModelPtr back = applications::EfficientNetV2B0();
  back->load_weights(directory / "b.weights.json");
  const auto a = here->variables(), b = back->variables();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(a[i]->value(), b[i]->value())) << a[i]->path();
  }
}

TEST(GpuModel, SavesTheValuesOfTheMomentWhileItComputesAndTakesOthers) {
  LAMINA_NEED_GPU();
  const TemporaryDirectory directory(memory_directory());
  const ModelPtr first = applications::EfficientNetV2B0(),
                 second = applications::EfficientNetV2B0();
  first->save_weights(directory / "first.weights.h5");
  second->save_weights(directory / "second.weights.h5");
  const ModelPtr there = applications::EfficientNetV2B0();
  there->to(Device::cuda());
  there->load_weights(directory / "first.weights.h5");
  const Tensor x = random_images({2, 224, 224, 3});
  (void)there->predict(x);
  SaveHandle saving = there->save_weights_async(directory / "saved.weights.h5");
  expect_near(there->predict(x), first->predict(x));
  there->load_weights(directory / "second.weights.h5");
  expect_near(there->predict(x), second->predict(x));
  saving.wait();
  const ModelPtr back = applications::EfficientNetV2B0();
  back->load_weights(directory / "saved.weights.h5");
  const auto a = first->variables(), b = back->variables();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(a[i]->value(), b[i]->value())) << a[i]->path();
  }
}

TEST(GpuModel, IsUsableOnTheCpuWhenTheGpuIsFull) {
  LAMINA_NEED_GPU();
  const std::int64_t too_much = std::int64_t{1} << 50;
  try {
    (void)Tensor::empty({too_much}, DType::kUInt8, Device::cuda());
    ADD_FAILURE() << "there was room for 1 PiB";
  } catch (const DeviceError& error) {
    EXPECT_TRUE(error.out_of_memory()) << error.what();
  }
  const Tensor four = Tensor::zeros({4}).to(Device::cuda());
  EXPECT_EQ(four.to(Device::cpu()).data<float>()[3], 0.0F);
}

}  // namespace
}  // namespace lamina
