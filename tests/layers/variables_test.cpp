#include <gtest/gtest.h>
#include <lamina/layers.h>

#include <string>
#include <vector>

using namespace lamina;

namespace {

// "kernel (4, 3) t; bias (3,) t": names, shapes and trainability in the order of the file.
std::string describe(const LayerRef& layer) {
  std::string text;
  for (const VariablePtr& v : layer->own_variables()) {
    if (!text.empty()) text += "; ";
    text += v->name() + " " + v->shape().str() + (v->trainable() ? "" : " fixed");
  }
  return text;
}

std::string built(const LayerRef& layer, const Shape& shape) {
  layer->build({shape});
  return describe(layer);
}

const Shape kImage{kNone, 8, 9, 4};

}  // namespace

TEST(Variables, DenseHasAKernelAndABias) {
  EXPECT_EQ(built(layers::Dense({.units = 3}), {kNone, 4}), "kernel (4, 3); bias (3,)");
  EXPECT_EQ(built(layers::Dense({.units = 3, .use_bias = false}), {kNone, 7, 4}), "kernel (4, 3)");
}

TEST(Variables, EmbeddingHasATableOfItsRows) {
  EXPECT_EQ(built(layers::Embedding({.input_dim = 5, .output_dim = 2}), {kNone, 7}),
            "embeddings (5, 2)");
}

TEST(Variables, ConvolutionsHaveKernelsInKerasOrder) {
  EXPECT_EQ(built(layers::Conv2D({.filters = 6, .kernel_size = {3, 2}}), kImage),
            "kernel (3, 2, 4, 6); bias (6,)");
  EXPECT_EQ(built(layers::Conv2D({.filters = 6, .kernel_size = 3, .groups = 2, .use_bias = false}),
                  kImage),
            "kernel (3, 3, 2, 6)");
  EXPECT_EQ(built(layers::Conv2D({.filters = 6, .kernel_size = 3, .data_format = "channels_first"}),
                  {kNone, 5, 9, 9}),
            "kernel (3, 3, 5, 6); bias (6,)");
  EXPECT_EQ(built(layers::Conv1D({.filters = 6, .kernel_size = 3}), {kNone, 9, 4}),
            "kernel (3, 4, 6); bias (6,)");
  EXPECT_EQ(built(layers::DepthwiseConv2D({.kernel_size = 3, .depth_multiplier = 2}), kImage),
            "kernel (3, 3, 4, 2); bias (8,)");
  EXPECT_EQ(built(layers::SeparableConv2D({.filters = 6, .kernel_size = 3, .depth_multiplier = 2}),
                  kImage),
            "depthwise_kernel (3, 3, 4, 2); pointwise_kernel (1, 1, 8, 6); bias (6,)");
  EXPECT_EQ(built(layers::Conv2DTranspose({.filters = 6, .kernel_size = {3, 2}}), kImage),
            "kernel (3, 2, 6, 4); bias (6,)");
}

TEST(Variables, BatchNormalizationLeavesNoGaps) {
  EXPECT_EQ(built(layers::BatchNormalization(), kImage),
            "gamma (4,); beta (4,); moving_mean (4,) fixed; moving_variance (4,) fixed");
  EXPECT_EQ(built(layers::BatchNormalization({.axis = 1, .center = false}), kImage),
            "gamma (8,); moving_mean (8,) fixed; moving_variance (8,) fixed");
  EXPECT_EQ(built(layers::BatchNormalization({.center = false, .scale = false}), kImage),
            "moving_mean (4,) fixed; moving_variance (4,) fixed");
}

TEST(Variables, LayerNormalizationCoversItsAxes) {
  EXPECT_EQ(built(layers::LayerNormalization(), kImage), "gamma (4,); beta (4,)");
  EXPECT_EQ(built(layers::LayerNormalization({.axis = {2, 1}, .scale = false}), kImage),
            "beta (8, 9)");
}

TEST(Variables, PReLUHasOneSlopePerUnsharedElement) {
  EXPECT_EQ(built(layers::PReLU(), kImage), "alpha (8, 9, 4)");
  EXPECT_EQ(built(layers::PReLU({.shared_axes = {1, 2}}), kImage), "alpha (1, 1, 4)");
}

TEST(Variables, NormalizationHoldsStatisticsUnlessGiven) {
  const LayerRef adapted = layers::Normalization();
  EXPECT_EQ(built(adapted, kImage), "mean (4,) fixed; variance (4,) fixed; count () fixed");
  EXPECT_EQ(adapted->own_variables()[2]->dtype(), DType::kInt32);
  EXPECT_EQ(built(layers::Normalization({.axis = layers::Axes{}}), kImage),
            "mean () fixed; variance () fixed; count () fixed");
  EXPECT_EQ(built(layers::Normalization({.axis = {-1, 1}}), kImage),
            "mean (8, 4) fixed; variance (8, 4) fixed; count () fixed");
  EXPECT_EQ(built(layers::Normalization({.mean = {1, 2, 3, 4}, .variance = {1, 1, 1, 1}}), kImage),
            "");
}

TEST(Variables, KeepTheirOrderWhenTheLayerIsFrozen) {
  const LayerRef layer = layers::BatchNormalization({.trainable = false});
  EXPECT_EQ(built(layer, kImage),
            "gamma (4,); beta (4,); moving_mean (4,) fixed; moving_variance (4,) fixed");
}

TEST(Variables, TakeTheVariableDtypeOfThePolicy) {
  const LayerRef mixed = layers::Dense({.units = 1, .dtype = "mixed_bfloat16"});
  mixed->build({{kNone, 2}});
  EXPECT_EQ(mixed->own_variables()[0]->dtype(), DType::kFloat32);
  const LayerRef narrow = layers::Dense({.units = 1, .dtype = "float16"});
  narrow->build({{kNone, 2}});
  EXPECT_EQ(narrow->own_variables()[0]->dtype(), DType::kFloat16);
}

TEST(Variables, HavePathsOfTheirLayer) {
  const LayerRef layer = layers::Dense({.units = 1, .name = "head"});
  layer->build({{kNone, 2}});
  EXPECT_EQ(layer->own_variables()[1]->path(), "head/bias");
}

TEST(Variables, NeedAKnownShape) {
  const LayerRef layer = layers::Dense({.units = 1, .name = "head"});
  try {
    layer->build({{2, kNone}});
    FAIL() << "no error";
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find("shape=(None, 1) for variable path='head/kernel'"),
              std::string::npos)
        << error.what();
  }
}

namespace {

class TwoWeights final : public Layer {
 public:
  TwoWeights() : Layer({"", "", true}) {}
  [[nodiscard]] std::string class_name() const override { return "TwoWeights"; }

 protected:
  void on_build(const std::vector<Shape>& inputs) override {
    (void)add_weight("first", {1}, Initializer("zeros").bind());
    (void)add_weight("second", {inputs.at(0)[-1]}, Initializer("zeros").bind());
  }
};

}  // namespace

TEST(Variables, AreThoseOfTheBuildThatSucceeded) {
  const LayerRef two = LayerRef(std::make_shared<TwoWeights>());
  EXPECT_THROW(two->build({{kNone, kNone}}), ValueError);
  EXPECT_EQ(built(two, {kNone, 5}), "first (1,); second (5,)");

  const LayerRef norm = layers::Normalization();
  EXPECT_THROW(norm->build({{kNone, 3, kNone}}), ValueError);
  EXPECT_EQ(built(norm, {kNone, 2}), "mean (2,) fixed; variance (2,) fixed; count () fixed");

  const LayerRef prelu = layers::PReLU();
  EXPECT_THROW((void)prelu(layers::Input({.shape = {kNone, 3}})), ValueError);
  (void)prelu(layers::Input({.shape = {5}}));
  EXPECT_EQ(describe(prelu), "alpha (5,)");

  const LayerRef attention = layers::MultiHeadAttention(
      {.num_heads = 2, .key_dim = 3, .activity_regularizer = Regularizer("l2")});
  EXPECT_THROW(attention->build({{kNone, 4, 3}, {kNone, 4, kNone}}), ValueError);
  EXPECT_TRUE(attention->sublayers().empty());
  attention->build({{kNone, 4, 3}, {kNone, 4, 5}});
  EXPECT_EQ(attention->variables().size(), 8U);
  EXPECT_TRUE(static_cast<bool>(attention->sublayers()[0]->activity_regularizer()));
}
