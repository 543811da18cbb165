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

/// Arguments of `keras.applications.EfficientNetV2*`, with Keras's names and defaults. Two of
/// Keras's are missing: `weights` ("imagenet" there; here a model starts with random weights, as
/// with None, and `load_weights` reads a file that Keras saved) and `input_tensor`.
struct EfficientNetV2Options {
  /// The classifier: global average pooling, dropout and a dense layer "predictions".
  bool include_top = true;
  /// (height, width, channels), sizes at least 32 or kNone. Default: the variant's own size;
  /// without a top (kNone, kNone, 3).
  std::optional<Shape> input_shape = {};
  /// Without a top: "avg" or "max" pools to (batch, channels); "" leaves the feature map.
  std::string pooling = {};
  std::int64_t classes = 1000;
  /// "softmax" gives probabilities, "linear" logits (Keras's None).
  layers::ActivationFunction classifier_activation = "softmax";
  /// Takes images with values in [0, 255]; without it the caller scales them.
  bool include_preprocessing = true;
  /// Default: Keras's, "efficientnetv2-b0".
  std::string name = {};
};

// Each takes images (batch, height, width, channels) and gives (batch, classes). Building creates
// no values: they are made at first use, or read from a file. Throw ValueError for options that do
// not fit.

[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B0(EfficientNetV2Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B1(EfficientNetV2Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B2(EfficientNetV2Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2B3(EfficientNetV2Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2S(EfficientNetV2Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2M(EfficientNetV2Options options = {});
[[nodiscard]] std::shared_ptr<Functional> EfficientNetV2L(EfficientNetV2Options options = {});

/// An application by the name of its function, "EfficientNetV2B0". Throws ValueError naming those
/// there are.
[[nodiscard]] std::shared_ptr<Functional> by_name(std::string_view name,
                                                  EfficientNetV2Options options = {});
/// The names that `by_name` knows.
[[nodiscard]] std::vector<std::string_view> names();

}  // namespace lamina::applications
