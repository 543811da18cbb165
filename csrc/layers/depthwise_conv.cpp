#include "layers/config/registered_layers.h"
#include "layers/conv_base.h"

namespace lamina::layers {
namespace {

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
  [[nodiscard]] auto depthwise(Builder& builder, ValueId input, const VariablePtr& bias) const {
    const auto x = this->to_nhwc(builder, input);
    const std::int64_t in = builder.shape(x.value)[-1];
    return this->convolve(builder, x,
                          graph::Param::of(depthwise_kernel_, this->compute_dtype(),
                                           this->kernel_shape_2d(1, expanded(in))),
                          expanded(in), in, bias);
  }

 private:
  VariablePtr depthwise_kernel_;
};

template <class Options>
class DepthwiseLayer final : public DepthwiseBase<Options> {
 public:
  DepthwiseLayer(const char* class_name, Options options)
      : DepthwiseBase<Options>(class_name, std::move(options)) {}

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape& input) const override {
    return this->expanded(this->channels(input));
  }

  void on_build(const Shapes& inputs) override {
    const Options& o = this->options_;
    this->add_depthwise_kernel("kernel", inputs.at(0));
    if (o.use_bias) {
      bias_ = this->add_weight("bias", {out_channels(inputs[0])}, o.bias_initializer.bind(),
                               {o.bias_regularizer, o.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    return this->finish(builder, this->depthwise(builder, inputs.at(0), bias_));
  }

 private:
  VariablePtr bias_;
};

template <class Options>
class SeparableLayer final : public DepthwiseBase<Options> {
 public:
  SeparableLayer(const char* class_name, Options options)
      : DepthwiseBase<Options>(class_name, std::move(options)) {
    this->checked([&] { check_filters(this->options_.filters); });
  }

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape&) const override {
    return this->options_.filters;
  }

  void on_build(const Shapes& inputs) override {
    const Options& o = this->options_;
    this->add_depthwise_kernel("depthwise_kernel", inputs.at(0));
    const std::int64_t middle = this->expanded(this->channels(inputs[0]));
    const Shape kernel =
        this->geometry_.rank() == 1 ? Shape{1, middle, o.filters} : Shape{1, 1, middle, o.filters};
    pointwise_kernel_ = this->add_weight("pointwise_kernel", kernel, o.pointwise_initializer.bind(),
                                         {o.pointwise_regularizer, o.pointwise_constraint});
    if (o.use_bias) {
      bias_ = this->add_weight("bias", {o.filters}, o.bias_initializer.bind(),
                               {o.bias_regularizer, o.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const std::int64_t filters = this->options_.filters;
    auto image = this->depthwise(builder, inputs.at(0), nullptr);
    const ValueId middle = image.value;
    ops::Conv2D op;
    op.x = builder.spec(middle);
    op.y = op.x;
    op.y.shape[-1] = filters;
    const Shape kernel{1, 1, op.x.shape[-1], filters};
    image.value = this->emit_with_bias(
        builder, std::move(op), middle,
        graph::Param::of(pointwise_kernel_, this->compute_dtype(), kernel), bias_);
    return this->finish(builder, image);
  }

 private:
  VariablePtr pointwise_kernel_, bias_;
};

template <class Options>
void describe_depthwise(Config& config, Options& options) {
  config.required({"kernel_size"});
  config.along("kernel_size", options.kernel_size);
  config.along("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
  config.along("dilation_rate", options.dilation_rate);
  config.integer("depth_multiplier", options.depth_multiplier);
  config.activation("activation", options.activation);
  config.boolean("use_bias", options.use_bias);
  config.weights(
      {{"depthwise", options.depthwise_initializer, options.depthwise_regularizer,
        options.depthwise_constraint},
       {"bias", options.bias_initializer, options.bias_regularizer, options.bias_constraint}});
  config.names_activity_regularizer();
}

template <class Options>
void describe_separable(Config& config, Options& options) {
  config.required({"filters"});
  config.integer("filters", options.filters);
  config.weights({{"pointwise", options.pointwise_initializer, options.pointwise_regularizer,
                   options.pointwise_constraint}});
  describe_depthwise(config, options);
}

}  // namespace

LayerRef DepthwiseConv1D(DepthwiseConv1DOptions options) {
  return make_layer<DepthwiseLayer<DepthwiseConv1DOptions>>("DepthwiseConv1D", std::move(options));
}

LayerRef DepthwiseConv2D(DepthwiseConv2DOptions options) {
  return make_layer<DepthwiseLayer<DepthwiseConv2DOptions>>("DepthwiseConv2D", std::move(options));
}

LayerRef SeparableConv1D(SeparableConv1DOptions options) {
  return make_layer<SeparableLayer<SeparableConv1DOptions>>("SeparableConv1D", std::move(options));
}

LayerRef SeparableConv2D(SeparableConv2DOptions options) {
  return make_layer<SeparableLayer<SeparableConv2DOptions>>("SeparableConv2D", std::move(options));
}

void describe(Config& config, DepthwiseConv1DOptions& options) {
  config.training_only({"pointwise_regularizer", "pointwise_constraint"});
  describe_depthwise(config, options);
}

void describe(Config& config, DepthwiseConv2DOptions& options) {
  config.training_only({"pointwise_regularizer", "pointwise_constraint"});
  describe_depthwise(config, options);
}

void describe(Config& config, SeparableConv1DOptions& options) {
  describe_separable(config, options);
}

void describe(Config& config, SeparableConv2DOptions& options) {
  describe_separable(config, options);
}

}  // namespace lamina::layers
