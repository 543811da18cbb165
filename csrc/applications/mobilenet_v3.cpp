#include <fmt/format.h>
#include <lamina/applications.h>
#include <lamina/error.h>
#include <lamina/ops.h>

#include <array>
#include <span>

#include "applications/parts.h"

// MobileNetV3: a stem, inverted bottlenecks of which some squeeze and excite, and a classifier of
// convolutions. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Block {
  double expansion;
  std::int64_t filters, kernel, stride;
  bool squeeze, hard_swish;
};

constexpr auto kSmall = std::to_array<Block>({{1, 16, 3, 2, true, false},
                                              {72.0 / 16, 24, 3, 2, false, false},
                                              {88.0 / 24, 24, 3, 1, false, false},
                                              {4, 40, 5, 2, true, true},
                                              {6, 40, 5, 1, true, true},
                                              {6, 40, 5, 1, true, true},
                                              {3, 48, 5, 1, true, true},
                                              {3, 48, 5, 1, true, true},
                                              {6, 96, 5, 2, true, true},
                                              {6, 96, 5, 1, true, true},
                                              {6, 96, 5, 1, true, true}});
constexpr auto kLarge = std::to_array<Block>({{1, 16, 3, 1, false, false},
                                              {4, 24, 3, 2, false, false},
                                              {3, 24, 3, 1, false, false},
                                              {3, 40, 5, 2, true, false},
                                              {3, 40, 5, 1, true, false},
                                              {3, 40, 5, 1, true, false},
                                              {6, 80, 3, 2, false, true},
                                              {2.5, 80, 3, 1, false, true},
                                              {2.3, 80, 3, 1, false, true},
                                              {2.3, 80, 3, 1, false, true},
                                              {6, 112, 3, 1, true, true},
                                              {6, 112, 3, 1, true, true},
                                              {6, 160, 5, 2, true, true},
                                              {6, 160, 5, 1, true, true},
                                              {6, 160, 5, 1, true, true}});

struct Variant {
  std::string_view name;  // the function's and the model's
  std::string_view size;
  std::span<const Block> blocks;
  std::int64_t last_filters;
};

constexpr Variant kVariantSmall{"MobileNetV3Small", "small", kSmall, 1024};
constexpr Variant kVariantLarge{"MobileNetV3Large", "large", kLarge, 1280};

// Activations have Keras's automatic names.
SymbolicTensor activate(const SymbolicTensor& x, bool hard_swish) {
  return hard_swish ? Activation({.activation = "hard_swish"})(x) : ReLU()(x);
}

SymbolicTensor normalize(const SymbolicTensor& x, const std::string& name) {
  return BatchNormalization({.momentum = 0.999, .name = name})(x);
}

SymbolicTensor pointwise(const SymbolicTensor& x, std::int64_t filters, const std::string& name,
                         bool use_bias) {
  return Conv2D({.filters = filters,
                 .kernel_size = 1,
                 .padding = "same",
                 .use_bias = use_bias,
                 .name = name})(x);
}

SymbolicTensor squeeze_excite(const SymbolicTensor& x, const std::string& name) {
  const std::int64_t filters = x.shape()[-1];
  SymbolicTensor s = GlobalAveragePooling2D({.keepdims = true, .name = name + "avg_pool"})(x);
  s = pointwise(s, divisible_by_eight(static_cast<double>(filters) * 0.25), name + "conv", true);
  s = ReLU({.name = name + "relu"})(s);
  s = pointwise(s, filters, name + "conv_1", true);
  s = ReLU({.max_value = 6})(s + 3.0) * (1.0 / 6.0);  // a hard sigmoid, as Keras writes it here
  return Multiply({.name = name + "mul"})({x, s});
}

// The first block, number 0, does not expand.
SymbolicTensor block(const SymbolicTensor& input, const Block& shape, std::size_t number) {
  const std::string name =
      number == 0 ? "expanded_conv_" : "expanded_conv_" + std::to_string(number) + "_";
  const std::int64_t filters_in = input.shape()[-1];
  SymbolicTensor x = input;
  if (number > 0) {
    const double wide = static_cast<double>(filters_in) * shape.expansion;
    x = pointwise(x, divisible_by_eight(wide), name + "expand", false);
    x = activate(normalize(x, name + "expand_bn"), shape.hard_swish);
  }
  if (shape.stride == 2) {
    x = ZeroPadding2D({.padding = correct_pad(x, shape.kernel), .name = name + "depthwise_pad"})(x);
  }
  x = DepthwiseConv2D({.kernel_size = shape.kernel,
                       .strides = shape.stride,
                       .padding = shape.stride == 1 ? "same" : "valid",
                       .use_bias = false,
                       .name = name + "depthwise"})(x);
  x = activate(normalize(x, name + "depthwise_bn"), shape.hard_swish);
  if (shape.squeeze) x = squeeze_excite(x, name + "squeeze_excite_");
  x = normalize(pointwise(x, shape.filters, name + "project", false), name + "project_bn");
  if (shape.stride != 1 || filters_in != shape.filters) return x;
  return Add({.name = name + "add"})({input, x});
}

SymbolicTensor all_blocks(SymbolicTensor x, const Variant& variant, double alpha,
                          bool minimalistic) {
  for (std::size_t i = 0; i < variant.blocks.size(); ++i) {
    Block shape = variant.blocks[i];
    shape.filters = divisible_by_eight(static_cast<double>(shape.filters) * alpha);
    if (minimalistic) {
      shape.kernel = 3;
      shape.squeeze = shape.hard_swish = false;
    }
    x = block(x, shape, i);
  }
  return x;
}

SymbolicTensor head(SymbolicTensor x, const Options& options, std::int64_t last_filters,
                    bool hard_swish) {
  if (!options.include_top) return pooled(x, options, "avg_pool", "max_pool");
  x = GlobalAveragePooling2D({.keepdims = true})(x);
  x = activate(pointwise(x, last_filters, "conv_2", true), hard_swish);
  if (const double rate = options.dropout_rate.value_or(0.2); rate > 0) {
    x = Dropout({.rate = rate})(x);
  }
  x = Flatten()(pointwise(x, options.classes, "logits", true));
  return Activation({.activation = options.classifier_activation, .name = "predictions"})(x);
}

// Unlike those of other families a top takes images of any size, which is the default too.
Shape shape_of_any_size(const Options& options) {
  const Shape shape = options.input_shape.value_or(Shape{kNone, kNone, 3});
  if (shape.rank() != 3) throw ValueError("`input_shape` must be a tuple of three integers.");
  if (shape[0] != kNone && shape[1] != kNone && (shape[0] < 32 || shape[1] < 32)) {
    throw ValueError("Input size must be at least 32x32; Received `input_shape=" + shape.str() +
                     "`");
  }
  return shape;
}

// Of images of this size Keras has weights.
constexpr auto kTrainedRows = std::to_array<std::int64_t>({224});

void require_trained(double alpha, bool minimalistic) {
  if (alpha == 1.0 || (alpha == 0.75 && !minimalistic)) return;
  throw ValueError(
      "If imagenet weights are being loaded, alpha can be one of `0.75`, `1.0` for non "
      "minimalistic "
      "or `1.0` for minimalistic only.");
}

Published published(const Variant& variant, double alpha, bool minimalistic) {
  return {.folder = "tensorflow/keras-applications/mobilenet_v3/",
          .file = fmt::format("weights_mobilenet_v3_{}{}_224_{}_float", variant.size,
                              minimalistic ? "_minimalistic" : "", alpha == 1.0 ? "1.0" : "0.75"),
          .without_top = "_no_top_v2"};
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.name,
             {"alpha", "minimalistic", "dropout_rate", "include_preprocessing"});
  const double alpha = options.alpha.value_or(1.0);
  const bool minimalistic = options.minimalistic.value_or(false);
  if (of_imagenet(options)) require_trained(alpha, minimalistic);
  const SymbolicTensor input = Input({.shape = shape_of_any_size(options)});
  if (of_imagenet(options)) (void)trained_rows(input.shape(), kTrainedRows);
  SymbolicTensor x = input;
  if (options.include_preprocessing.value_or(true)) {
    x = Rescaling({.scale = 1.0 / 127.5, .offset = -1.0})(x);
  }
  x = Conv2D({.filters = 16,
              .kernel_size = 3,
              .strides = 2,
              .padding = "same",
              .use_bias = false,
              .name = "conv"})(x);
  x = activate(normalize(x, "conv_bn"), !minimalistic);
  x = all_blocks(x, variant, alpha, minimalistic);
  const double wide = static_cast<double>(x.shape()[-1] * 6);
  x = normalize(pointwise(x, divisible_by_eight(wide), "conv_1", false), "conv_1_bn");
  x = activate(x, !minimalistic);
  // The last features only ever grow.
  const std::int64_t last =
      alpha > 1 ? divisible_by_eight(static_cast<double>(variant.last_filters) * alpha)
                : variant.last_filters;
  return finish(input, head(x, options, last, !minimalistic), options, variant.name,
                published(variant, alpha, minimalistic));
}

}  // namespace

std::shared_ptr<Functional> MobileNetV3Small(Options options) {
  return build(kVariantSmall, options);
}
std::shared_ptr<Functional> MobileNetV3Large(Options options) {
  return build(kVariantLarge, options);
}

}  // namespace lamina::applications
