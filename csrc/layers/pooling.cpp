#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

using Kind = ops::Pool2D::Kind;

/// Windows over one or two axes; one axis is the second of the pairs, below a single row.
template <class Options>
class PoolingLayer final : public MovingLayer<Options> {
 public:
  PoolingLayer(std::string class_name, Options options, Kind kind, std::size_t rank,
               IntPair pool_size, IntPair strides)
      : MovingLayer<Options>(std::move(class_name), std::move(options)),
        kind_(kind),
        rank_(rank),
        pool_size_(to_pair(pool_size)),
        strides_(to_pair(strides)),
        channels_first_(this->options_.data_format == kChannelsFirst) {
    this->checked([&] {
      check_pair("pool_size", pool_size, 1);
      check_pair("strides", strides, 1);
      padding_ = check_padding(this->options_.padding);
      check_data_format(this->options_.data_format);
    });
    this->input_spec_.ndim = rank + 2;
    this->built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    for (std::size_t i = 0; i < rank_; ++i) {
      const std::int64_t axis = static_cast<std::int64_t>(i) + (channels_first_ ? 2 : 1);
      const std::size_t member = i + 2 - rank_;
      out[axis] = window_count(padding_, inputs[0][axis], pool_size_[member], strides_[member]);
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
    const Shape out = compute_output_shape({builder.shape(x)})[0];
    if (channels_first_) x = to_channels_last(builder, x);
    if (rank_ == 1) {
      const Shape& s = builder.shape(x);
      x = builder.reshape(x, {s[0], 1, s[1], s[2]});
    }
    ValueId y = pool(builder, x);
    if (rank_ == 1) {
      const Shape& s = builder.shape(y);
      y = builder.reshape(y, {s[0], s[2], s[3]});
    }
    return {channels_first_ ? to_channels_first(builder, y) : y};
  }

 private:
  [[nodiscard]] ValueId pool(Builder& builder, ValueId x) const {
    ops::Pool2D op;
    op.kind = kind_;
    op.x = builder.spec(x);
    op.y = op.x;
    op.window = pool_size_;
    op.strides = strides_;
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t axis = static_cast<std::int64_t>(i) + 1;
      const std::int64_t size = op.x.shape[axis];
      const AxisPadding pad = window_padding(padding_, size, pool_size_[i], strides_[i]);
      op.pad_before[i] = pad.before;
      op.pad_after[i] = pad.after;
      op.y.shape[axis] = window_count(padding_, size, pool_size_[i], strides_[i]);
    }
    return builder.emit(std::move(op), {x});
  }

  Kind kind_;
  std::size_t rank_;
  ops::Pair pool_size_, strides_;
  bool channels_first_;
  std::string padding_;
};

template <class Options>
LayerRef pooling_2d(const char* class_name, Options options, Kind kind) {
  const IntPair size = options.pool_size, strides = options.strides.value_or(size);
  return make_layer<PoolingLayer<Options>>(class_name, std::move(options), kind, 2, size, strides);
}

template <class Options>
LayerRef pooling_1d(const char* class_name, Options options, Kind kind) {
  const IntPair size{1, options.pool_size}, strides{1, options.strides.value_or(options.pool_size)};
  return make_layer<PoolingLayer<Options>>(class_name, std::move(options), kind, 1, size, strides);
}

template <class Options>
void describe_2d(Config& config, Options& options) {
  config.pair("pool_size", options.pool_size);
  if (!options.strides) options.strides = options.pool_size;
  config.optional_pair("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
}

template <class Options>
void describe_1d(Config& config, Options& options) {
  config.single("pool_size", options.pool_size);
  if (!options.strides) options.strides = options.pool_size;
  config.optional_single("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
}

}  // namespace

LayerRef MaxPooling1D(MaxPooling1DOptions options) {
  return pooling_1d("MaxPooling1D", std::move(options), Kind::kMax);
}
LayerRef MaxPooling2D(MaxPooling2DOptions options) {
  return pooling_2d("MaxPooling2D", std::move(options), Kind::kMax);
}
LayerRef AveragePooling1D(AveragePooling1DOptions options) {
  return pooling_1d("AveragePooling1D", std::move(options), Kind::kAverage);
}
LayerRef AveragePooling2D(AveragePooling2DOptions options) {
  return pooling_2d("AveragePooling2D", std::move(options), Kind::kAverage);
}

void describe(Config& config, MaxPooling1DOptions& options) {
  describe_1d(config, options);
}
void describe(Config& config, MaxPooling2DOptions& options) {
  describe_2d(config, options);
}
void describe(Config& config, AveragePooling1DOptions& options) {
  describe_1d(config, options);
}
void describe(Config& config, AveragePooling2DOptions& options) {
  describe_2d(config, options);
}

}  // namespace lamina::layers
