#pragma once
#include <lamina/layers.h>
#include <lamina/model.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Keras's ready-made models, with randomly initialised weights: `load_weights` brings trained
/// ones.
namespace lamina::applications {

/// Arguments of the functions of `keras.applications`, with Keras's names and defaults. Two of
/// Keras's are missing: `weights` ("imagenet" there; here a model starts with random weights, as
/// with None, and `load_weights` reads a file that Keras saved) and `input_tensor`.
struct Options {
  /// The classifier, a dense layer (here and there a convolution) named "predictions".
  bool include_top = true;
  /// (height, width, channels), sizes at least the model's smallest; kNone, any size, without a
  /// top only. Default: the model's own size; without a top (kNone, kNone, 3).
  std::optional<Shape> input_shape = {};
  /// Without a top: "avg" or "max" pools to (batch, channels); "" leaves the feature map.
  std::string pooling = {};
  std::int64_t classes = 1000;
  /// "softmax" gives probabilities, "linear" logits (Keras's None).
  layers::ActivationFunction classifier_activation = "softmax";
  /// EfficientNetV2, ConvNeXt, MobileNetV3, with default true: takes images with values in [0,
  /// 255]; without it the caller scales them.
  std::optional<bool> include_preprocessing = {};
  /// Default: Keras's, "efficientnetv2-b0".
  std::string name = {};
  /// MobileNet, V2 and V3: by how much the numbers of filters are multiplied. Default 1.
  std::optional<double> alpha = {};
  /// MobileNet: channels that a depthwise convolution makes of one. Default 1.
  std::optional<std::int64_t> depth_multiplier = {};
  /// MobileNet: the rate before the classifier. Default 0.001.
  std::optional<double> dropout = {};
  /// MobileNetV3: the rate before the classifier. Default 0.2.
  std::optional<double> dropout_rate = {};
  /// MobileNetV3: without squeeze-and-excite, hard swish and 5x5 kernels. Default false.
  std::optional<bool> minimalistic = {};
};

// Each takes images (batch, height, width, channels) and gives (batch, classes). Building creates
// no values: they are made at first use, or read from a file. Throw ValueError for options that do
// not fit, or that only other models have.

/// Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", 2021.
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B0(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B1(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B2(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B3(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2S(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2M(Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2L(Options options = {});

/// An application by the name of its function, "EfficientNetV2B0". Throws ValueError naming those
/// there are.
[[nodiscard]] std::shared_ptr<Functional> by_name(std::string_view name, Options options = {});
/// The names that `by_name` knows.
[[nodiscard]] std::vector<std::string_view> names();

}  // namespace lamina::applications
