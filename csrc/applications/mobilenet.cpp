#include <fmt/format.h>
#include <lamina/applications.h>
#include <lamina/error.h>

#include <array>

#include "applications/parts.h"

// MobileNet: a stem, thirteen blocks of a depthwise and a pointwise convolution, and a classifier
// that is a convolution. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Block {
  std::int64_t filters, stride;
};

constexpr auto kBlocks = std::to_array<Block>({{64, 1},
                                               {128, 2},
                                               {128, 1},
                                               {256, 2},
                                               {256, 1},
                                               {512, 2},
                                               {512, 1},
                                               {512, 1},
                                               {512, 1},
                                               {512, 1},
                                               {512, 1},
                                               {1024, 2},
                                               {1024, 1}});

std::int64_t scaled(std::int64_t filters, double alpha) {
  return whole(static_cast<double>(filters) * alpha);
}

// Batch normalisation and ReLU up to six, named after the convolution `name` before them.
SymbolicTensor bn_relu(const SymbolicTensor& x, const std::string& name) {
  const SymbolicTensor y = BatchNormalization({.name = name + "_bn"})(x);
  return ReLU({.max_value = 6, .name = name + "_relu"})(y);
}

SymbolicTensor conv(const SymbolicTensor& x, std::int64_t filters, std::int64_t kernel,
                    std::int64_t stride, const std::string& name) {
  return bn_relu(Conv2D({.filters = filters,
                         .kernel_size = kernel,
                         .strides = stride,
                         .padding = "same",
                         .use_bias = false,
                         .name = name})(x),
                 name);
}

SymbolicTensor depthwise(SymbolicTensor x, std::int64_t stride, std::int64_t depth_multiplier,
                         const std::string& id) {
  if (stride == 2) x = ZeroPadding2D({.padding = {{0, 1}, {0, 1}}, .name = "conv_pad_" + id})(x);
  const std::string name = "conv_dw_" + id;
  return bn_relu(DepthwiseConv2D({.kernel_size = 3,
                                  .strides = stride,
                                  .padding = stride == 1 ? "same" : "valid",
                                  .depth_multiplier = depth_multiplier,
                                  .use_bias = false,
                                  .name = name})(x),
                 name);
}

SymbolicTensor head(SymbolicTensor x, const Options& options) {
  if (!options.include_top) return pooled(x, options);
  x = GlobalAveragePooling2D({.keepdims = true})(x);
  x = Dropout({.rate = options.dropout.value_or(1e-3), .name = "dropout"})(x);
  x = Conv2D(
      {.filters = options.classes, .kernel_size = 1, .padding = "same", .name = "conv_preds"})(x);
  x = Reshape({.target_shape = {options.classes}, .name = "reshape_2"})(x);
  return Activation({.activation = options.classifier_activation, .name = "predictions"})(x);
}

// Of images of these sizes Keras has weights.
constexpr auto kTrainedRows = std::to_array<std::int64_t>({128, 160, 192, 224});

void require_trained(double alpha, std::int64_t depth_multiplier) {
  if (depth_multiplier != 1) {
    throw ValueError(
        fmt::format("If imagenet weights are being loaded, depth multiplier must be 1.  Received "
                    "depth_multiplier={}",
                    depth_multiplier));
  }
  if (alpha == 0.25 || alpha == 0.5 || alpha == 0.75 || alpha == 1.0) return;
  throw ValueError(fmt::format(
      "If imagenet weights are being loaded, alpha can be one of`0.25`, `0.50`, `0.75` or `1.0` "
      "only.  Received alpha={}",
      alpha));
}

// "7_5" of 0.75.
std::string name_of_alpha(double alpha) {
  const int tenths = static_cast<int>(alpha * 10);
  return fmt::format("{}_{}", alpha == 1.0 ? 1 : tenths, static_cast<int>(alpha * 100) % 10);
}

}  // namespace

std::shared_ptr<Functional> MobileNet(Options options) {
  takes_only(options, "MobileNet", {"alpha", "depth_multiplier", "dropout"});
  const double alpha = options.alpha.value_or(1.0);
  const std::int64_t depth_multiplier = options.depth_multiplier.value_or(1);
  if (of_imagenet(options)) require_trained(alpha, depth_multiplier);
  const SymbolicTensor input =
      Input({.shape = image_shape(options, {trained_size(options, kTrainedRows), 32})});
  const std::int64_t rows =
      of_imagenet(options) ? trained_rows(input.shape(), kTrainedRows) : input.shape()[1];
  SymbolicTensor x = conv(input, scaled(32, alpha), 3, 2, "conv1");
  for (std::size_t i = 0; i < kBlocks.size(); ++i) {
    const std::string id = std::to_string(i + 1);
    x = depthwise(x, kBlocks[i].stride, depth_multiplier, id);
    x = conv(x, scaled(kBlocks[i].filters, alpha), 1, 1, "conv_pw_" + id);
  }
  return finish(input, head(x, options), options, name_with_alpha("mobilenet", alpha, rows),
                {.folder = "tensorflow/keras-applications/mobilenet/",
                 .file = fmt::format("mobilenet_{}_{}_tf", name_of_alpha(alpha), rows),
                 .without_top = "_no_top"});
}

}  // namespace lamina::applications
