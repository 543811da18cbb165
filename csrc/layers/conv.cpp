#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/conv_base.h"

namespace lamina::layers {
namespace {

template <class Options>
class PlainConv final : public ConvLayer<Options> {
 public:
  PlainConv(std::string class_name, Options options, ConvGeometry geometry)
      : ConvLayer<Options>(std::move(class_name), std::move(options), std::move(geometry)) {
    const Options& o = this->options_;
    this->checked([&] { check_filters(o.filters); });
    if (o.groups <= 0) {
      this->fail("The number of groups must be a positive integer. Received: groups=" +
                 std::to_string(o.groups) + ".");
    }
    if (o.filters % o.groups != 0) {
      this->fail(
          "The number of filters must be evenly divisible by the number of groups. Received: "
          "groups=" +
          std::to_string(o.groups) + ", filters=" + std::to_string(o.filters) + ".");
    }
    this->checked([&] { check_dilation(this->geometry_.strides, this->geometry_.dilation_rate); });
  }

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape&) const override {
    return this->options_.filters;
  }

  void on_build(const Shapes& inputs) override {
    const Options& o = this->options_;
    const std::int64_t in = this->channels(inputs.at(0));
    if (in != kNone && in % o.groups != 0) {
      this->fail(
          "The number of input channels must be evenly divisible by the number of groups. "
          "Received groups=" +
          std::to_string(o.groups) + ", but the input has " + std::to_string(in) +
          " channels (full input shape is " + inputs[0].str() + ").");
    }
    this->require_channels(inputs[0]);
    kernel_ = this->add_weight(
        "kernel", this->kernel_shape(in == kNone ? kNone : in / o.groups, o.filters),
        o.kernel_initializer.bind(), {o.kernel_regularizer, o.kernel_constraint});
    if (o.use_bias) {
      bias_ = this->add_weight("bias", {o.filters}, o.bias_initializer.bind(),
                               {o.bias_regularizer, o.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const Options& o = this->options_;
    const auto x = this->to_windows(builder, inputs.at(0), o.groups);
    const Shape kernel = this->kernel_shape_2d(builder.shape(x.value)[-1] / o.groups, o.filters);
    return this->finish(
        builder,
        this->convolve(builder, x, graph::Param::of(kernel_, this->compute_dtype(), kernel),
                       o.filters, o.groups, bias_));
  }

 private:
  VariablePtr kernel_, bias_;
};

}  // namespace

LayerRef Conv1D(Conv1DOptions options) {
  ConvGeometry geometry = geometry_of(options);
  geometry.may_be_causal = true;
  return make_layer<PlainConv<Conv1DOptions>>("Conv1D", std::move(options), std::move(geometry));
}

LayerRef Conv2D(Conv2DOptions options) {
  ConvGeometry geometry = geometry_of(options);
  return make_layer<PlainConv<Conv2DOptions>>("Conv2D", std::move(options), std::move(geometry));
}

LayerRef Conv3D(Conv3DOptions options) {
  ConvGeometry geometry = geometry_of(options);
  return make_layer<PlainConv<Conv3DOptions>>("Conv3D", std::move(options), std::move(geometry));
}

namespace {
template <class Options>
void describe_conv(Config& config, Options& options) {
  config.required({"filters", "kernel_size"});
  config.unused({"lora_alpha"});
  config.absent({"lora_rank"});
  config.integer("filters", options.filters);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
  config.integer("groups", options.groups);
  config.kernel_and_bias(options);
  config.names_activity_regularizer();
  config.along("kernel_size", options.kernel_size);
  config.along("strides", options.strides);
  config.along("dilation_rate", options.dilation_rate);
}
}  // namespace

void describe(Config& config, Conv1DOptions& options) {
  describe_conv(config, options);
}

void describe(Config& config, Conv2DOptions& options) {
  describe_conv(config, options);
}

void describe(Config& config, Conv3DOptions& options) {
  describe_conv(config, options);
}

}  // namespace lamina::layers
