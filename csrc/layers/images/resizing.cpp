// Layers that give images a size: Resizing, CenterCrop.
#include <cmath>
#include <limits>
#include <type_traits>

#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/images/image_layer.h"
#include "layers/images/resize.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using Kind = ops::Resize2D::Kind;

/// The least and the largest that a dtype of integers holds, as floats within them.
struct Bounds {
  float least = 0, largest = 1;
};

template <class T>
Bounds bounds_of() {
  Bounds bounds;
  if constexpr (std::is_integral_v<T>) {
    bounds.least = static_cast<float>(std::numeric_limits<T>::min());
    bounds.largest = static_cast<float>(std::numeric_limits<T>::max());
    // 2^31 - 1 would become 2^31.
    if (std::numeric_limits<T>::digits > std::numeric_limits<float>::digits) {
      bounds.largest = std::nextafter(bounds.largest, 0.0F);
    }
  }
  return bounds;
}

Bounds bounds_of(DType dtype) {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return bounds_of<type>();
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  return {};
}

class ResizingLayer final : public SizedImageLayer<ResizingOptions> {
 public:
  explicit ResizingLayer(ResizingOptions options)
      : SizedImageLayer("Resizing", std::move(options)) {
    const auto kind = interpolation_kind(options_.interpolation);
    if (!kind) {
      fail(
          "Invalid value for argument `interpolation`. Expected of one ('bilinear', 'nearest', "
          "'lanczos3', 'lanczos5', 'bicubic'). Received: interpolation=" +
          options_.interpolation);
    }
    kind_ = *kind;
    if (options_.fill_mode != "constant") {
      fail(
          "Invalid value for argument `fill_mode`. Only `'constant'` is supported. Received: "
          "fill_mode=" +
          options_.fill_mode);
    }
    if (options_.crop_to_aspect_ratio && options_.pad_to_aspect_ratio) {
      fail("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.");
    }
  }

 private:
  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const DType given = builder.dtype(images);
    const ValueId x =
        is_floating(given) ? images : builder.cast(images, statistics_dtype(compute_dtype()));
    const ValueId y = resized(builder, with_ratio(builder, x), size(), kind_, options_.antialias);
    return builder.cast(is_floating(given) ? y : whole(builder, y, given), compute_dtype());
  }
  [[nodiscard]] ValueId with_ratio(Builder& builder, ValueId x) const {
    if (options_.crop_to_aspect_ratio) return cropped_to_ratio(builder, x, size());
    if (options_.pad_to_aspect_ratio) {
      return padded_to_ratio(builder, x, size(), options_.fill_value);
    }
    return x;
  }
  /// As Keras makes them integers again.
  [[nodiscard]] static ValueId whole(Builder& builder, ValueId x, DType dtype) {
    if (dtype == DType::kBool) return builder.cast(builder.cast(x, dtype), builder.dtype(x));
    const Bounds bounds = bounds_of(dtype);
    const auto bound = [&](float value) { return constant(builder, value, builder.dtype(x)); };
    const ValueId rounded = builder.activation(x, {ops::Unary::kRound});
    return builder.binary(ops::Binary::kMinimum,
                          builder.binary(ops::Binary::kMaximum, rounded, bound(bounds.least)),
                          bound(bounds.largest));
  }

  Kind kind_ = Kind::kBilinear;
};

class CenterCropLayer final : public SizedImageLayer<CenterCropOptions> {
 public:
  explicit CenterCropLayer(CenterCropOptions options)
      : SizedImageLayer("CenterCrop", std::move(options)) {}

 private:
  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const ValueId x = computable(builder, images);
    const auto [height, width] = size();
    const std::int64_t rows = builder.shape(x)[1] - height, columns = builder.shape(x)[2] - width;
    if (rows < 0 || columns < 0) {
      return resized(builder, cropped_to_ratio(builder, x, size()), size(), Kind::kBilinear);
    }
    return cropped(builder, cropped(builder, x, 1, rows / 2, height), 2, columns / 2, width);
  }
};

}  // namespace

LayerRef Resizing(ResizingOptions options) {
  return make_layer<ResizingLayer>(std::move(options));
}

LayerRef CenterCrop(CenterCropOptions options) {
  return make_layer<CenterCropLayer>(std::move(options));
}

void describe(Config& config, ResizingOptions& options) {
  config.required({"height", "width"});
  config.unused({"bounding_box_format"});
  config.integer("height", options.height);
  config.integer("width", options.width);
  config.string("interpolation", options.interpolation);
  config.boolean("crop_to_aspect_ratio", options.crop_to_aspect_ratio);
  config.boolean("pad_to_aspect_ratio", options.pad_to_aspect_ratio);
  config.string("fill_mode", options.fill_mode);
  config.number("fill_value", options.fill_value);
  config.boolean("antialias", options.antialias);
  config.data_format(options.data_format);
}

void describe(Config& config, CenterCropOptions& options) {
  config.required({"height", "width"});
  config.unused({"bounding_box_format"});
  config.integer("height", options.height);
  config.integer("width", options.width);
  config.data_format(options.data_format);
}

}  // namespace lamina::layers
