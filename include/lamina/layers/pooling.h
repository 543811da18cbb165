#pragma once
#include <lamina/layer.h>
#include <lamina/layers/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace lamina::layers {

// Pooling: (batch, rows, cols, channels) -> (batch, rows', cols', channels). `strides` default to
// `pool_size`. Averages leave padding out of the count.

struct MaxPooling2DOptions {
  IntPair pool_size = 2;
  std::optional<IntPair> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef MaxPooling2D(MaxPooling2DOptions options = {});

struct AveragePooling2DOptions {
  IntPair pool_size = 0;
  std::optional<IntPair> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AveragePooling2D(AveragePooling2DOptions options);

/// (batch, steps, channels) -> (batch, steps', channels).
struct MaxPooling1DOptions {
  std::int64_t pool_size = 2;
  std::optional<std::int64_t> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef MaxPooling1D(MaxPooling1DOptions options = {});

struct AveragePooling1DOptions {
  std::int64_t pool_size = 0;
  std::optional<std::int64_t> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AveragePooling1D(AveragePooling1DOptions options);

/// (batch, depth, rows, cols, channels) -> (batch, depth', rows', cols', channels).
struct MaxPooling3DOptions {
  IntTriple pool_size = 2;
  std::optional<IntTriple> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef MaxPooling3D(MaxPooling3DOptions options = {});

struct AveragePooling3DOptions {
  IntTriple pool_size = 0;
  std::optional<IntTriple> strides = {};
  std::string padding = "valid";
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AveragePooling3D(AveragePooling3DOptions options);

// Global pooling: (batch, ..., channels) -> (batch, channels), or with `keepdims` the pooled axes
// stay with size 1.

/// Over the steps that its mask leaves (an argument `mask` of its call, (batch, steps), or what its
/// input carries): NaN where that are none, as in Keras.
struct GlobalAveragePooling1DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalAveragePooling1D(GlobalAveragePooling1DOptions options = {});

struct GlobalMaxPooling1DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalMaxPooling1D(GlobalMaxPooling1DOptions options = {});

struct GlobalAveragePooling2DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalAveragePooling2D(GlobalAveragePooling2DOptions options = {});

struct GlobalMaxPooling2DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalMaxPooling2D(GlobalMaxPooling2DOptions options = {});

struct GlobalAveragePooling3DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalAveragePooling3D(GlobalAveragePooling3DOptions options = {});

struct GlobalMaxPooling3DOptions {
  std::string data_format = "channels_last";
  bool keepdims = false;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef GlobalMaxPooling3D(GlobalMaxPooling3DOptions options = {});

// Adaptive pooling: into so many windows along each axis, whatever its size n is. Of `output_size`
// k window i has the elements from floor(i n / k) up to, but not, ceil((i + 1) n / k).

/// (batch, steps, channels) -> (batch, output_size, channels).
struct AdaptiveAveragePooling1DOptions {
  std::int64_t output_size = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdaptiveAveragePooling1D(AdaptiveAveragePooling1DOptions options);

/// (batch, rows, cols, channels) -> (batch, rows', cols', channels).
struct AdaptiveAveragePooling2DOptions {
  IntPair output_size = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdaptiveAveragePooling2D(AdaptiveAveragePooling2DOptions options);

/// (batch, depth, rows, cols, channels) -> (batch, depth', rows', cols', channels).
struct AdaptiveAveragePooling3DOptions {
  IntTriple output_size = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdaptiveAveragePooling3D(AdaptiveAveragePooling3DOptions options);

struct AdaptiveMaxPooling1DOptions {
  std::int64_t output_size = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdaptiveMaxPooling1D(AdaptiveMaxPooling1DOptions options);

struct AdaptiveMaxPooling2DOptions {
  IntPair output_size = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdaptiveMaxPooling2D(AdaptiveMaxPooling2DOptions options);

struct AdaptiveMaxPooling3DOptions {
  IntTriple output_size = 0;
  std::string data_format = "channels_last";
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef AdaptiveMaxPooling3D(AdaptiveMaxPooling3DOptions options);

}  // namespace lamina::layers
