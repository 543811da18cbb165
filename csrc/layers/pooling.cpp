#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

using Kind = ops::Pool2D::Kind;

/// Windows over one axis, as over an image of one row, or over two; over three as over the last two
/// and then over the first: the largest of the largest, and the mean of means of equally many.
template <class Options>
class PoolingLayer final : public MovingLayer<Options> {
 public:
  PoolingLayer(std::string class_name, Options options, Kind kind)
      : MovingLayer<Options>(std::move(class_name), std::move(options)),
        kind_(kind),
        pool_size_(along(this->options_.pool_size)),
        strides_(along(this->options_.strides.value_or(this->options_.pool_size))),
        channels_first_(this->options_.data_format == kChannelsFirst) {
    this->checked([&] {
      check_each("pool_size", pool_size_, 1);
      check_each("strides", strides_, 1);
      padding_ = check_padding(this->options_.padding);
      check_data_format(this->options_.data_format);
    });
    this->input_spec_.ndim = pool_size_.size() + 2;
    this->built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    for (std::size_t i = 0; i < pool_size_.size(); ++i) {
      const std::int64_t axis = static_cast<std::int64_t>(i) + (channels_first_ ? 2 : 1);
      out[axis] = window_count(padding_, inputs[0][axis], pool_size_[i], strides_[i]);
      if (inputs[0][axis] != kNone && out[axis] <= 0) {
        this->fail("Computed output size would be zero or negative. Received: `inputs.shape=" +
                   inputs[0].str() + "`, `padding=" + padding_ + "`.");
      }
    }
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = kind_ == Kind::kAverage ? this->computable(builder, inputs.at(0)) : inputs.at(0);
    if (channels_first_) x = to_channels_last(builder, x);
    const Shape s = builder.shape(x);
    const Along &size = pool_size_, &step = strides_;
    if (size.size() == 1) {
      x = builder.reshape(x, {s[0], 1, s[1], s[2]});
      const ValueId y = pool(builder, x, {1, size[0]}, {1, step[0]});
      x = builder.reshape(y, {s[0], builder.shape(y)[2], s[2]});
    } else if (size.size() == 2) {
      x = pool(builder, x, {size[0], size[1]}, {step[0], step[1]});
    } else {
      x = builder.reshape(x, {s[0] * s[1], s[2], s[3], s[4]});
      x = pool(builder, x, {size[1], size[2]}, {step[1], step[2]});
      const std::int64_t rows = builder.shape(x)[1], columns = builder.shape(x)[2];
      x = builder.reshape(x, {s[0], s[1], rows * columns, s[4]});
      x = pool(builder, x, {size[0], 1}, {step[0], 1});
      x = builder.reshape(x, {s[0], builder.shape(x)[1], rows, columns, s[4]});
    }
    return {channels_first_ ? to_channels_first(builder, x) : x};
  }

 private:
  [[nodiscard]] ValueId pool(Builder& builder, ValueId x, ops::Pair window,
                             ops::Pair strides) const {
    ops::Pool2D op;
    op.kind = kind_;
    op.x = builder.spec(x);
    op.y = op.x;
    op.window = window;
    op.strides = strides;
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t axis = static_cast<std::int64_t>(i) + 1;
      const std::int64_t size = op.x.shape[axis];
      const AxisPadding pad = window_padding(padding_, size, window[i], strides[i]);
      op.pad_before[i] = pad.before;
      op.pad_after[i] = pad.after;
      op.y.shape[axis] = window_count(padding_, size, window[i], strides[i]);
    }
    return builder.emit(std::move(op), {x});
  }

  Kind kind_;
  Along pool_size_, strides_;
  bool channels_first_;
  std::string padding_;
};

template <class Options>
LayerRef pooling(const char* class_name, Options options, Kind kind) {
  return make_layer<PoolingLayer<Options>>(class_name, std::move(options), kind);
}

template <class Options>
void describe_pooling(Config& config, Options& options) {
  config.along("pool_size", options.pool_size);
  if (!options.strides) options.strides = options.pool_size;
  config.along("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
}

}  // namespace

LayerRef MaxPooling1D(MaxPooling1DOptions options) {
  return pooling("MaxPooling1D", std::move(options), Kind::kMax);
}
LayerRef MaxPooling2D(MaxPooling2DOptions options) {
  return pooling("MaxPooling2D", std::move(options), Kind::kMax);
}
LayerRef AveragePooling1D(AveragePooling1DOptions options) {
  return pooling("AveragePooling1D", std::move(options), Kind::kAverage);
}
LayerRef AveragePooling2D(AveragePooling2DOptions options) {
  return pooling("AveragePooling2D", std::move(options), Kind::kAverage);
}
LayerRef MaxPooling3D(MaxPooling3DOptions options) {
  return pooling("MaxPooling3D", std::move(options), Kind::kMax);
}
LayerRef AveragePooling3D(AveragePooling3DOptions options) {
  return pooling("AveragePooling3D", std::move(options), Kind::kAverage);
}

void describe(Config& config, MaxPooling1DOptions& options) {
  describe_pooling(config, options);
}
void describe(Config& config, MaxPooling2DOptions& options) {
  describe_pooling(config, options);
}
void describe(Config& config, AveragePooling1DOptions& options) {
  describe_pooling(config, options);
}
void describe(Config& config, AveragePooling2DOptions& options) {
  describe_pooling(config, options);
}
void describe(Config& config, MaxPooling3DOptions& options) {
  describe_pooling(config, options);
}
void describe(Config& config, AveragePooling3DOptions& options) {
  describe_pooling(config, options);
}

}  // namespace lamina::layers
