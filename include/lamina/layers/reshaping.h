#pragma once
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/shape.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lamina::layers {

/// (batch, steps, channels) -> (batch, before + steps + behind, channels), zeros around. `padding`:
/// one number, or {before, behind}.
struct ZeroPadding1DOptions {
  IntPair padding = 1;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ZeroPadding1D(ZeroPadding1DOptions options = {});

/// (batch, rows, cols, channels) -> (batch, top + rows + bottom, left + cols + right, channels).
struct ZeroPadding2DOptions {
  Padding2D padding = 1;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ZeroPadding2D(ZeroPadding2DOptions options = {});

/// (batch, depth, rows, cols, channels), zeros around likewise.
struct ZeroPadding3DOptions {
  Padding3D padding = 1;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ZeroPadding3D(ZeroPadding3DOptions options = {});

/// Without the first and the last steps, as many as `cropping` says: one number, or {first, last}.
/// (batch, steps, channels) -> (batch, steps', channels). Throws ValueError where none are left, as
/// Cropping2D does.
struct Cropping1DOptions {
  IntPair cropping = 1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Cropping1D(Cropping1DOptions options = {});

/// (batch, rows, cols, channels) -> (batch, rows - top - bottom, cols - left - right, channels).
struct Cropping2DOptions {
  Padding2D cropping = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Cropping2D(Cropping2DOptions options = {});

/// (batch, depth, rows, cols, channels), cut off on all sides likewise.
struct Cropping3DOptions {
  Padding3D cropping = 1;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Cropping3D(Cropping3DOptions options = {});

/// (batch, steps, channels) -> (batch, steps * size, channels), each step `size` times.
struct UpSampling1DOptions {
  std::int64_t size = 2;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef UpSampling1D(UpSampling1DOptions options = {});

/// (batch, rows, cols, channels) -> (batch, rows * size, cols * size, channels). `interpolation`:
/// "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
struct UpSampling2DOptions {
  IntPair size = 2;
  std::string data_format = "channels_last";
  std::string interpolation = "nearest";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef UpSampling2D(UpSampling2DOptions options = {});

/// (batch, depth, rows, cols, channels) -> (batch, depth * size, rows * size, cols * size,
/// channels), each element so many times.
struct UpSampling3DOptions {
  IntTriple size = 2;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef UpSampling3D(UpSampling3DOptions options = {});

/// (batch, ...) -> (batch, target_shape...); one -1 is inferred. The dtype does not change.
struct ReshapeOptions {
  Shape target_shape = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Reshape(ReshapeOptions options);

/// (batch, ...) -> (batch, product). Channels become innermost first for "channels_first".
struct FlattenOptions {
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Flatten(FlattenOptions options = {});

/// Output axis i is input axis dims[i - 1]; both count from 1, the batch stays.
struct PermuteOptions {
  std::vector<std::int64_t> dims = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Permute(PermuteOptions options);

/// (batch, features) -> (batch, n, features), each the input.
struct RepeatVectorOptions {
  std::int64_t n = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef RepeatVector(RepeatVectorOptions options);

}  // namespace lamina::layers
