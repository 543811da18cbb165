#pragma once
#include <lamina/initializers.h>
#include <lamina/layer.h>

#include <cstdint>
#include <string>

// Layers that prepare images, (batch, height, width, channels) or with the channels first, and
// change them at random. They give the compute dtype, whatever they take. Those that are random are
// the identity in prediction; in training they draw for each image anew (RandomCrop for each
// batch), from a distribution that is Keras's. A factor is a number, from whose negative to itself
// is drawn, or {lowest, highest}.
namespace lamina::layers {

/// Images of `height` x `width`. `interpolation`: "nearest", "bilinear", "bicubic", "lanczos3",
/// "lanczos5", with `antialias` over as many pixels as one of a smaller image covers; of integers
/// the result is rounded, and stays in their range. `crop_to_aspect_ratio`: of the largest window
/// in the middle that has the new ratio; `pad_to_aspect_ratio`: of the image between two bars of
/// `fill_value`.
struct ResizingOptions {
  std::int64_t height = -1;  ///< has to be given
  std::int64_t width = -1;   ///< has to be given
  std::string interpolation = "bilinear";
  bool crop_to_aspect_ratio = false;
  bool pad_to_aspect_ratio = false;
  std::string fill_mode = "constant";  ///< no other
  double fill_value = 0.0;
  bool antialias = false;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Resizing(ResizingOptions options);

/// The middle of images; of smaller ones the largest window in their middle that has the new ratio,
/// resized.
struct CenterCropOptions {
  std::int64_t height = -1;  ///< has to be given
  std::int64_t width = -1;   ///< has to be given
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef CenterCrop(CenterCropOptions options);

/// In training a part of the images, the same one of all in a batch. Of images that are no larger
/// than that along one of the axes: what lies in the middle, resized, with Keras's rounding. In
/// prediction, as in Keras, images keep the size that they have, which is then another one than the
/// layer's output shape says.
struct RandomCropOptions {
  std::int64_t height = -1;  ///< has to be given
  std::int64_t width = -1;   ///< has to be given
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomCrop(RandomCropOptions options);

/// Flips half of the images, left and right ("horizontal"), top and bottom ("vertical"), or both at
/// once.
struct RandomFlipOptions {
  std::string mode = "horizontal_and_vertical";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomFlip(RandomFlipOptions options = {});

/// Moves images down and to the right by shares, in [-1, 1], of their height and width. What comes
/// from outside is, by `fill_mode`, the image reflected at its edge ("reflect"), itself again
/// ("wrap"), its nearest pixel ("nearest") or `fill_value` ("constant"). `interpolation`:
/// "bilinear" or "nearest".
struct RandomTranslationOptions {
  ArrayLike height_factor = {};  ///< has to be given
  ArrayLike width_factor = {};   ///< has to be given
  std::string fill_mode = "reflect";
  std::string interpolation = "bilinear";
  double fill_value = 0.0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomTranslation(RandomTranslationOptions options);

/// Turns images about their middle, counterclockwise, by shares of a whole turn in [-1, 1]. The
/// rest is RandomTranslation's.
struct RandomRotationOptions {
  ArrayLike factor = {};  ///< has to be given
  std::string fill_mode = "reflect";
  std::string interpolation = "bilinear";
  double fill_value = 0.0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomRotation(RandomRotationOptions options);

/// Has images show 1 + share of their height and width about their middle, a share in (-1, 1]:
/// below 0 they grow. Without `width_factor` both are the same. The rest is RandomTranslation's.
struct RandomZoomOptions {
  ArrayLike height_factor = {};  ///< has to be given
  ArrayLike width_factor = {};
  std::string fill_mode = "reflect";
  std::string interpolation = "bilinear";
  double fill_value = 0.0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomZoom(RandomZoomOptions options);

/// Adds a share, in [-1, 1], of the size of `value_range` to all of an image, and clips it to that.
struct RandomBrightnessOptions {
  ArrayLike factor = {};  ///< has to be given
  ArrayLike value_range = {0, 255};
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomBrightness(RandomBrightnessOptions options);

/// Scales the distance of each channel of an image from its mean by 1 - lowest to 1 + highest,
/// which are in [0, 1] and where a number is the highest, and clips it to `value_range`.
struct RandomContrastOptions {
  ArrayLike factor = {};  ///< has to be given
  ArrayLike value_range = {0, 255};
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RandomContrast(RandomContrastOptions options);

}  // namespace lamina::layers
