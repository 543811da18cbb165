#include "layers/config/registered_layers.h"
#include "layers/conv_base.h"

namespace lamina::layers {
namespace {

template <class Options>
ConvGeometry geometry_of(const Options& options) {
  return {2,
          options.kernel_size,
          options.strides,
          options.dilation_rate,
          options.padding,
          options.data_format};
}

/// What starts with one filter (or `depth_multiplier` filters) for each input channel.
template <class Options>
class DepthwiseBase : public ConvLayer<Options> {
 protected:
  DepthwiseBase(std::string class_name, Options options)
      : ConvLayer<Options>(std::move(class_name), options, geometry_of(options)) {
    if (this->options_.depth_multiplier <= 0) {
      this->fail(
          "Invalid value for argument `depth_multiplier`. Expected a strictly positive value. "
          "Received depth_multiplier=" +
          std::to_string(this->options_.depth_multiplier) + ".");
    }
  }

  [[nodiscard]] std::int64_t expanded(std::int64_t in) const {
    return in == kNone ? kNone : in * this->options_.depth_multiplier;
  }

  void add_depthwise_kernel(const char* name, const Shape& input) {
    this->require_channels(input);
    depthwise_kernel_ = this->add_weight(
        name, this->kernel_shape(this->channels(input), this->options_.depth_multiplier),
        this->options_.depthwise_initializer.bind(),
        {this->options_.depthwise_regularizer, this->options_.depthwise_constraint});
  }

  // Keras's (KH, KW, C, M) is, byte for byte, the kernel (KH, KW, 1, C * M) of C groups.
  [[nodiscard]] ValueId depthwise(Builder& builder, ValueId x, const VariablePtr& bias) const {
    const std::int64_t in = builder.shape(x)[-1];
    return this->convolve(builder, x,
                          graph::Param::of(depthwise_kernel_, this->compute_dtype(),
                                           this->kernel_shape_2d(1, expanded(in))),
                          expanded(in), in, bias);
  }

 private:
  VariablePtr depthwise_kernel_;
};

class DepthwiseConv2DLayer final : public DepthwiseBase<DepthwiseConv2DOptions> {
 public:
  explicit DepthwiseConv2DLayer(DepthwiseConv2DOptions options)
      : DepthwiseBase("DepthwiseConv2D", std::move(options)) {}

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape& input) const override {
    return expanded(channels(input));
  }

  void on_build(const Shapes& inputs) override {
    add_depthwise_kernel("kernel", inputs.at(0));
    if (options_.use_bias) {
      bias_ = add_weight("bias", {out_channels(inputs[0])}, options_.bias_initializer.bind(),
                         {options_.bias_regularizer, options_.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    return finish(builder, depthwise(builder, to_nhwc(builder, inputs.at(0)), bias_));
  }

 private:
  VariablePtr bias_;
};

class SeparableConv2DLayer final : public DepthwiseBase<SeparableConv2DOptions> {
 public:
  explicit SeparableConv2DLayer(SeparableConv2DOptions options)
      : DepthwiseBase("SeparableConv2D", std::move(options)) {
    if (options_.filters <= 0) {
      fail(
          "Invalid value for argument `filters`. Expected a strictly positive value. Received "
          "filters=" +
          std::to_string(options_.filters) + ".");
    }
  }

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape&) const override { return options_.filters; }

  void on_build(const Shapes& inputs) override {
    add_depthwise_kernel("depthwise_kernel", inputs.at(0));
    pointwise_kernel_ =
        add_weight("pointwise_kernel", {1, 1, expanded(channels(inputs[0])), options_.filters},
                   options_.pointwise_initializer.bind(),
                   {options_.pointwise_regularizer, options_.pointwise_constraint});
    if (options_.use_bias) {
      bias_ = add_weight("bias", {options_.filters}, options_.bias_initializer.bind(),
                         {options_.bias_regularizer, options_.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId middle = depthwise(builder, to_nhwc(builder, inputs.at(0)), nullptr);
    ops::Conv2D op;
    op.x = builder.spec(middle);
    op.y = op.x;
    op.y.shape[-1] = options_.filters;
    const ValueId y = emit_with_bias(builder, std::move(op), middle,
                                     graph::Param::of(pointwise_kernel_, compute_dtype()), bias_);
    return finish(builder, y);
  }

 private:
  VariablePtr pointwise_kernel_, bias_;
};

template <class Options>
void describe_depthwise(Config& config, Options& options) {
  config.required({"kernel_size"});
  config.pair("kernel_size", options.kernel_size);
  config.pair("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
  config.pair("dilation_rate", options.dilation_rate);
  config.integer("depth_multiplier", options.depth_multiplier);
  config.activation("activation", options.activation);
  config.boolean("use_bias", options.use_bias);
  config.weights(
      {{"depthwise", options.depthwise_initializer, options.depthwise_regularizer,
        options.depthwise_constraint},
       {"bias", options.bias_initializer, options.bias_regularizer, options.bias_constraint}});
  config.names_activity_regularizer();
}

}  // namespace

LayerRef DepthwiseConv2D(DepthwiseConv2DOptions options) {
  return make_layer<DepthwiseConv2DLayer>(std::move(options));
}

LayerRef SeparableConv2D(SeparableConv2DOptions options) {
  return make_layer<SeparableConv2DLayer>(std::move(options));
}

void describe(Config& config, DepthwiseConv2DOptions& options) {
  config.training_only({"pointwise_regularizer", "pointwise_constraint"});
  describe_depthwise(config, options);
}

void describe(Config& config, SeparableConv2DOptions& options) {
  config.required({"filters"});
  config.integer("filters", options.filters);
  config.weights({{"pointwise", options.pointwise_initializer, options.pointwise_regularizer,
                   options.pointwise_constraint}});
  describe_depthwise(config, options);
}

}  // namespace lamina::layers
