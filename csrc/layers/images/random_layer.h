#pragma once
#include <lamina/initializers.h>

#include <string>
#include <utility>

#include "layers/config/config.h"
#include "layers/images/image_layer.h"

namespace lamina::layers {

/// What is drawn between.
struct Range {
  double low = 0, high = 0;
};

/// Numbers, floating, of a distribution that is uniform over `range`, drawn anew in each step of
/// training. As JAX draws them, they are low plus multiples of its size / 2^b, b being the bits of
/// the dtype's fraction: 23 of float32.
[[nodiscard]] graph::ValueId uniform(graph::Builder& builder, const ops::TensorSpec& spec,
                                     Range range);

/// `factor` as Keras's layers write it in messages.
[[nodiscard]] std::string in_words(const ArrayLike& factor);
/// Two numbers, sorted.
[[nodiscard]] Range sorted_range(const ArrayLike& pair);
/// Whether it is a number, or a list of two.
[[nodiscard]] bool is_range(const ArrayLike& factor);
/// The range of a `factor` within bounds. Throws ValueError in Keras's words.
[[nodiscard]] Range range_of_factor(const ArrayLike& factor, Range bounds);

/// Changes images in training alone.
template <class Options>
class RandomImageLayer : public ImageLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override { return inputs; }

 protected:
  using ImageLayer<Options>::ImageLayer;

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) final {
    const Ids x{this->computable(builder, inputs.at(0))};
    return builder.training() ? ImageLayer<Options>::on_lower(builder, x) : x;
  }

  /// A number for each of the images.
  [[nodiscard]] static ValueId drawn(Builder& builder, ValueId images, DType dtype, Range range) {
    return uniform(builder, {{builder.shape(images)[0], 1, 1, 1}, dtype}, range);
  }
};

/// What the configuration of each has.
template <class Options>
void describe_random(Config& config, Options& options) {
  config.unused({"bounding_box_format"});
  config.unused("seed", nullptr);
  config.data_format(options.data_format);
}

}  // namespace lamina::layers
