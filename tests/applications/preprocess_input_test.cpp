#include <gtest/gtest.h>
#include <lamina/applications.h>
#include <lamina/error.h>

#include <random>
#include <string>
#include <vector>

#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using applications::preprocess_input;

std::vector<float> floats(const Tensor& tensor) {
  const Tensor cast = tensor.cast(DType::kFloat32);
  const auto data = cast.data<float>();
  return {data.begin(), data.end()};
}

void expect_near(const Tensor& got, const std::vector<float>& expected, float tolerance = 1e-5f) {
  const std::vector<float> values = floats(got);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(values[i], expected[i], tolerance) << i;
}

std::string message(const Tensor& images, std::string_view mode) {
  try {
    (void)preprocess_input(images, mode);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no error";
}

// Two pixels: of three colours, and black.
const std::vector<float> kPixels = {255, 51, 102, 0, 0, 0};

TEST(PreprocessInput, CaffeGivesBlueGreenRedLessTheirMeans) {
  const Tensor images = Tensor::from(kPixels, {1, 1, 2, 3});
  const std::vector<float> expected = {-1.939f, -65.779f, 131.32f, -103.939f, -116.779f, -123.68f};
  expect_near(preprocess_input(images, "caffe"), expected);
  expect_near(preprocess_input(images), expected);
  EXPECT_EQ(floats(images), kPixels);  // as it was
}

TEST(PreprocessInput, TfGivesNumbersBetweenMinusOneAndOne) {
  const Tensor images = Tensor::from(kPixels, {2, 1, 3});
  const Tensor result = preprocess_input(images, "tf");
  EXPECT_EQ(result.shape(), (Shape{2, 1, 3}));
  expect_near(result, {1, -0.6f, -0.2f, -1, -1, -1});
  expect_near(preprocess_input(images.reshape({1, 1, 6, 1}), "tf"), {1, -0.6f, -0.2f, -1, -1, -1});
}

TEST(PreprocessInput, TorchNormalisesEachChannelOfItsOwn) {
  expect_near(preprocess_input(Tensor::from(kPixels, {1, 2, 3}), "torch"),
              {(1 - 0.485f) / 0.229f, (0.2f - 0.456f) / 0.224f, (0.4f - 0.406f) / 0.225f,
               -0.485f / 0.229f, -0.456f / 0.224f, -0.406f / 0.225f});
}

// Integers become float32, floats stay what they are: the numbers are those of float32, rounded.
TEST(PreprocessInput, KeepsFloatsAndMakesFloatsOfIntegers) {
  std::mt19937 random(test::fresh_seed());
  std::uniform_int_distribution<int> level(0, 255);
  std::vector<float> pixels(2 * 5 * 4 * 3);
  for (float& pixel : pixels) pixel = static_cast<float>(level(random));
  const Tensor images = Tensor::from(pixels, {2, 5, 4, 3});
  for (const std::string_view mode : {"caffe", "tf", "torch"}) {
    const Tensor expected = preprocess_input(images, mode);
    for (const DType dtype : {DType::kUInt8, DType::kInt32, DType::kInt64}) {
      EXPECT_TRUE(bitwise_equal(preprocess_input(images.cast(dtype), mode), expected))
          << mode << " " << dtype_name(dtype);
    }
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {  // which hold 0 to 255
      EXPECT_TRUE(bitwise_equal(preprocess_input(images.cast(dtype), mode), expected.cast(dtype)))
          << mode << " " << dtype_name(dtype);
    }
    const Tensor wide = preprocess_input(images.cast(DType::kFloat64), mode);
    ASSERT_EQ(wide.dtype(), DType::kFloat64);
    expect_near(wide, floats(expected), 1e-4f);
  }
}

TEST(PreprocessInput, NamesWhatItCannotTake) {
  const Tensor image = Tensor::zeros({4, 4, 3});
  EXPECT_EQ(message(image, "Caffe"),
            "Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode=Caffe");
  EXPECT_NE(message(Tensor::zeros({4, 3}), "tf").find("shape=(4, 3)"), std::string::npos);
  EXPECT_NE(message(Tensor::zeros({1, 1, 4, 4, 3}), "torch").find("(1, 1, 4, 4, 3)"),
            std::string::npos);
  for (const std::int64_t channels : {1, 4}) {
    EXPECT_NE(message(Tensor::zeros({4, 4, channels}), "caffe").find("three channels"),
              std::string::npos);
    EXPECT_NE(message(Tensor::zeros({4, 4, channels}), "torch").find("three channels"),
              std::string::npos);
  }
  EXPECT_NE(message(Tensor(), "tf").find("undefined"), std::string::npos);
  EXPECT_EQ(preprocess_input(Tensor::zeros({0, 4, 4, 3}), "caffe").shape(), (Shape{0, 4, 4, 3}));
}

}  // namespace
}  // namespace lamina
