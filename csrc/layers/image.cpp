// Layers that repeat what there is: UpSampling1D, UpSampling2D, UpSampling3D.
#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/images/resize.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

std::int64_t first_spatial_axis(const std::string& data_format) {
  return data_format == kChannelsFirst ? 2 : 1;
}

using Kind = ops::Resize2D::Kind;

/// x with what it has at each position along `axis` there `count` times; of any dtype.
ValueId repeated(Builder& builder, ValueId x, std::size_t axis, std::int64_t count) {
  Shape shape = builder.shape(x);
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < shape.rank(); ++i) (i <= axis ? outer : inner) *= shape.dims()[i];
  const ValueId one = builder.reshape(x, {outer, 1, inner});
  const auto copies = static_cast<std::size_t>(count);
  ops::Concat op;
  op.xs.assign(copies, builder.spec(one));
  op.y = {{outer, count, inner}, builder.dtype(x)};
  op.axis = 1;
  shape[static_cast<std::int64_t>(axis)] *= count;
  return builder.reshape(builder.emit(std::move(op), Ids(copies, one)), std::move(shape));
}

/// x (N,H,W,C), floating, with each row and each column so many times.
ValueId nearest(Builder& builder, ValueId x, std::int64_t rows, std::int64_t columns) {
  const Shape& shape = builder.shape(x);
  return resized(builder, x, {shape[1] * rows, shape[2] * columns}, Kind::kNearest);
}

class UpSampling1DLayer final : public MovingLayer<UpSampling1DOptions> {
 public:
  explicit UpSampling1DLayer(UpSampling1DOptions options)
      : MovingLayer("UpSampling1D", std::move(options)) {
    constexpr std::int64_t kLargest = std::int64_t{1} << 20;  // as of a pair
    if (options_.size <= 0 || options_.size >= kLargest) {
      fail("Argument `size` should be a positive integer. Received: size=" +
           std::to_string(options_.size));
    }
    input_spec_.ndim = 3;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    if (out[1] != kNone) out[1] *= options_.size;
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const Shape shape = builder.shape(inputs.at(0));
    if (!is_floating(builder.dtype(inputs[0]))) {
      return {repeated(builder, inputs[0], 1, options_.size)};
    }
    const ValueId x = builder.reshape(inputs[0], {shape[0], shape[1], 1, shape[2]});
    return {
        builder.reshape(nearest(builder, x, options_.size, 1), compute_output_shape({shape})[0])};
  }
};

class UpSampling2DLayer final : public MovingLayer<UpSampling2DOptions> {
 public:
  explicit UpSampling2DLayer(UpSampling2DOptions options)
      : MovingLayer("UpSampling2D", std::move(options)) {
    checked([&] {
      check_each("size", along(options_.size), 1);
      check_data_format(options_.data_format);
    });
    const auto kind = interpolation_kind(options_.interpolation);
    if (!kind) {
      fail("Invalid `interpolation` argument: \"" + options_.interpolation +
           "\". Expected one of 'bicubic', 'bilinear', 'lanczos3', 'lanczos5', 'nearest'.");
    }
    kind_ = *kind;
    input_spec_.ndim = 4;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    const std::int64_t axis = first_spatial_axis(options_.data_format);
    if (out[axis] != kNone) out[axis] *= options_.size.first;
    if (out[axis + 1] != kNone) out[axis + 1] *= options_.size.second;
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    if (kind_ == Kind::kNearest && !is_floating(builder.dtype(inputs.at(0)))) {
      const auto axis = static_cast<std::size_t>(first_spatial_axis(options_.data_format));
      const ValueId rows = repeated(builder, inputs[0], axis, options_.size.first);
      return {repeated(builder, rows, axis + 1, options_.size.second)};
    }
    const bool channels_first = options_.data_format == kChannelsFirst;
    ValueId x = computable(builder, inputs.at(0));
    if (channels_first) x = to_channels_last(builder, x);
    const Shape& shape = builder.shape(x);
    const IntPair size(shape[1] * options_.size.first, shape[2] * options_.size.second);
    const ValueId y = resized(builder, x, size, kind_);
    return {channels_first ? to_channels_first(builder, y) : y};
  }

 private:
  Kind kind_ = Kind::kNearest;
};

class UpSampling3DLayer final : public MovingLayer<UpSampling3DOptions> {
 public:
  explicit UpSampling3DLayer(UpSampling3DOptions options)
      : MovingLayer("UpSampling3D", std::move(options)), size_(along(options_.size)) {
    checked([&] {
      check_each("size", size_, 1);
      check_data_format(options_.data_format);
    });
    input_spec_.ndim = 5;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    std::int64_t axis = first_spatial_axis(options_.data_format);
    for (const std::int64_t size : size_) {
      if (out[axis] != kNone) out[axis] *= size;
      ++axis;
    }
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const std::int64_t axis = first_spatial_axis(options_.data_format);
    ValueId x = inputs.at(0);
    if (!is_floating(builder.dtype(x))) {
      auto along_axis = static_cast<std::size_t>(axis);
      for (const std::int64_t size : size_) x = repeated(builder, x, along_axis++, size);
      return {x};
    }
    const Shape in = builder.shape(x), out = compute_output_shape({in})[0];
    const std::int64_t first = axis == 1 ? in[0] : in[0] * in[1], last = axis == 1 ? in[4] : 1;
    const std::int64_t depth = in[axis], plane = out[axis + 1] * out[axis + 2];
    x = builder.reshape(x, {first * depth, in[axis + 1], in[axis + 2], last});
    x = builder.reshape(nearest(builder, x, size_[1], size_[2]), {first, depth, plane, last});
    return {builder.reshape(nearest(builder, x, size_[0], 1), out)};
  }

 private:
  Along size_;
};

}  // namespace

LayerRef UpSampling1D(UpSampling1DOptions options) {
  return make_layer<UpSampling1DLayer>(std::move(options));
}

LayerRef UpSampling2D(UpSampling2DOptions options) {
  return make_layer<UpSampling2DLayer>(std::move(options));
}

LayerRef UpSampling3D(UpSampling3DOptions options) {
  return make_layer<UpSampling3DLayer>(std::move(options));
}

void describe(Config& config, UpSampling1DOptions& options) {
  config.integer("size", options.size);
}

void describe(Config& config, UpSampling3DOptions& options) {
  config.triple("size", options.size);
  config.data_format(options.data_format);
}

void describe(Config& config, UpSampling2DOptions& options) {
  config.pair("size", options.size);
  config.data_format(options.data_format);
  config.string("interpolation", options.interpolation);
}

}  // namespace lamina::layers
