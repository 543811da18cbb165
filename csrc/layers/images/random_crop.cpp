// RandomCrop.
#include <algorithm>

#include "layers/config/registered_layers.h"
#include "layers/images/affine.h"
#include "layers/images/random_layer.h"
#include "layers/images/resize.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

class RandomCropLayer final : public SizedImageLayer<RandomCropOptions> {
 public:
  explicit RandomCropLayer(RandomCropOptions options)
      : SizedImageLayer("RandomCrop", std::move(options)) {}

 private:
  // In prediction Keras leaves images as they are, of whatever size.
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const Ids x{computable(builder, inputs.at(0))};
    return builder.training() ? SizedImageLayer::on_lower(builder, x) : x;
  }

  [[nodiscard]] ValueId changed(Builder& builder, ValueId images) const override {
    const Shape& shape = builder.shape(images);
    const std::int64_t down = shape[1] - options_.height, across = shape[2] - options_.width;
    if (down <= 0 || across <= 0) return middle(builder, images);
    if (shape.size() == 0) {
      return cropped(builder, cropped(builder, images, 1, 0, options_.height), 2, 0,
                     options_.width);
    }
    const ValueId rows = places(builder, down, options_.height, 1);
    return pixels_at(builder, images, rows, places(builder, across, options_.width, 2));
  }

  /// What is taken along an axis: `size` from a place on that is drawn of the first `last` + 1, one
  /// for all images.
  [[nodiscard]] static ValueId places(Builder& builder, std::int64_t last, std::int64_t size,
                                      std::size_t axis) {
    const ValueId drawn =
        uniform(builder, {{1, 1, 1, 1}, DType::kFloat32}, {0, static_cast<double>(last + 1)});
    const ValueId first = builder.activation(drawn, {ops::Unary::kFloor});
    return builder.binary(ops::Binary::kAdd, first,
                          counted(builder, size, axis, 4, DType::kFloat32));
  }

  /// Of images that leave no choice along an axis: from where the window in the middle that has the
  /// new ratio begins, as far as the new size or the image goes, resized, as Keras does it.
  [[nodiscard]] ValueId middle(Builder& builder, ValueId images) const {
    const Shape shape = builder.shape(images);
    const IntPair window = window_of_ratio(shape, size());
    const auto cut = [&](ValueId x, std::size_t axis, std::int64_t taken, std::int64_t wanted) {
      const std::int64_t there = shape.dims()[axis], begin = (there - taken) / 2;
      return cropped(builder, x, axis, begin, std::min(wanted, there - begin));
    };
    const ValueId rows = cut(images, 1, window.first, options_.height);
    return resized(builder, cut(rows, 2, window.second, options_.width), size(),
                   ops::Resize2D::Kind::kBilinear);
  }
};

}  // namespace

LayerRef RandomCrop(RandomCropOptions options) {
  return make_layer<RandomCropLayer>(std::move(options));
}

void describe(Config& config, RandomCropOptions& options) {
  config.required({"height", "width"});
  config.integer("height", options.height);
  config.integer("width", options.width);
  describe_random(config, options);
}

}  // namespace lamina::layers
