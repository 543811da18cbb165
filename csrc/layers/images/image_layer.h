#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {

/// A layer of images, whose result has the compute dtype.
template <class Options>
class ImageLayer : public LibraryLayer<Options> {
 protected:
  ImageLayer(std::string class_name, Options options)
      : LibraryLayer<Options>(std::move(class_name), std::move(options)) {
    this->checked([&] { check_data_format(this->options_.data_format); });
    this->input_spec_.ndim = 4;
  }

  [[nodiscard]] bool channels_first() const { return this->options_.data_format == kChannelsFirst; }

  /// What becomes of images with the channels last.
  [[nodiscard]] virtual ValueId changed(Builder& builder, ValueId images) const = 0;

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = inputs.at(0);
    if (!channels_first()) return {changed(builder, x)};
    return {to_channels_first(builder, changed(builder, to_channels_last(builder, x)))};
  }
};

/// One whose result has the height and the width of its options.
template <class Options>
class SizedImageLayer : public ImageLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    const std::int64_t height = this->channels_first() ? 2 : 1;
    out[height] = this->options_.height;
    out[height + 1] = this->options_.width;
    return {out};
  }

 protected:
  SizedImageLayer(std::string class_name, Options options)
      : ImageLayer<Options>(std::move(class_name), std::move(options)) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 20;  // as of a pair
    const std::int64_t height = this->options_.height, width = this->options_.width;
    if (height < 1 || width < 1 || height >= kLargest || width >= kLargest) {
      this->fail("Arguments `height` and `width` should be positive integers. Received: height=" +
                 std::to_string(height) + ", width=" + std::to_string(width));
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const Shape& shape = builder.shape(inputs.at(0));
    const std::int64_t height = this->channels_first() ? 2 : 1;
    if (shape[height] == 0 || shape[height + 1] == 0) {
      this->fail("takes images of at least one pixel. Received: " + shape.str());
    }
    return ImageLayer<Options>::on_lower(builder, inputs);
  }

  [[nodiscard]] IntPair size() const { return {this->options_.height, this->options_.width}; }
};

}  // namespace lamina::layers
