#include <algorithm>

#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/conv_base.h"

namespace lamina::layers {
namespace {

ConvGeometry geometry_of(const Conv2DTransposeOptions& options) {
  return {2,
          options.kernel_size,
          options.strides,
          options.dilation_rate,
          options.padding,
          options.data_format};
}

class Conv2DTransposeLayer final : public ConvLayer<Conv2DTransposeOptions> {
 public:
  explicit Conv2DTransposeLayer(const Conv2DTransposeOptions& options)
      : ConvLayer("Conv2DTranspose", options, geometry_of(options)) {
    if (options_.filters <= 0) {
      fail(
          "Invalid value for argument `filters`. Expected a strictly positive value. Received "
          "filters=" +
          std::to_string(options_.filters) + ".");
    }
    checked([&] { check_dilation(geometry_.strides, geometry_.dilation_rate); });
    if (options_.output_padding) check_output_padding();
  }

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape&) const override { return options_.filters; }

  [[nodiscard]] std::int64_t spatial_size(std::size_t i, std::int64_t size) const override {
    if (size == kNone) return kNone;
    const AxisPadding crop = cropping(i);
    return (size - 1) * stride(i) + window(i) - crop.before - crop.after;
  }

  void on_build(const Shapes& inputs) override {
    require_channels(inputs.at(0));
    kernel_ = add_weight("kernel", kernel_shape(options_.filters, channels(inputs[0])),
                         options_.kernel_initializer.bind(),
                         {options_.kernel_regularizer, options_.kernel_constraint});
    if (options_.use_bias) {
      bias_ = add_weight("bias", {options_.filters}, options_.bias_initializer.bind(),
                         {options_.bias_regularizer, options_.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = to_nhwc(builder, inputs.at(0));
    const Shape& in = builder.shape(x);
    ops::Conv2DTranspose op;
    op.x = builder.spec(x);
    op.kernel = to_pair(geometry_.kernel_size);
    op.strides = to_pair(geometry_.strides);
    op.dilation = to_pair(geometry_.dilation_rate);
    for (std::size_t i = 0; i < 2; ++i) {
      op.pad_before[i] = cropping(i).before;
      op.pad_after[i] = cropping(i).after;
    }
    op.y = {{in[0], spatial_size(0, in[1]), spatial_size(1, in[2]), options_.filters},
            compute_dtype()};
    const ValueId y = emit_with_bias(builder, std::move(op), x,
                                     graph::Param::of(kernel_, compute_dtype()), bias_);
    return finish(builder, y);
  }

 private:
  void check_output_padding() const {
    checked([&] { check_pair("output_padding", *options_.output_padding, 0); });
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t extra = member(*options_.output_padding, i);
      if (extra >= stride(i)) {
        fail(
            "`output_padding` must be strictly less than `strides` for all dimensions. At "
            "dimension " +
            std::to_string(i) + ", `output_padding` is " + std::to_string(extra) +
            " but `strides` is " + std::to_string(stride(i)) + ".");
      }
    }
  }

  // What is cut from the full output, (size - 1) * stride + window. A negative `after` appends. The
  // padding that XLA's transposed convolution gets from Keras is window - 1 - crop on each side.
  [[nodiscard]] AxisPadding cropping(std::size_t i) const {
    const std::int64_t k = window(i);
    const bool given = options_.output_padding.has_value();
    const std::int64_t extra = given ? member(*options_.output_padding, i) : 0;
    if (geometry_.padding == "valid") {
      return {0, given ? -extra : -(std::max(k, stride(i)) - k)};
    }
    const std::int64_t total = given ? k + k % 2 - 2 + extra : stride(i) + k - 2;
    const std::int64_t left = std::min(total / 2 + total % 2, k - 1);
    return {k - 1 - left, k - 1 - (total - left)};
  }

  VariablePtr kernel_, bias_;
};

}  // namespace

LayerRef Conv2DTranspose(Conv2DTransposeOptions options) {
  return make_layer<Conv2DTransposeLayer>(options);
}

void describe(Config& config, Conv2DTransposeOptions& options) {
  config.required({"filters", "kernel_size"});
  config.integer("filters", options.filters);
  config.pair("kernel_size", options.kernel_size);
  config.pair("strides", options.strides);
  config.string("padding", options.padding);
  config.optional_pair("output_padding", options.output_padding);
  config.data_format(options.data_format);
  config.pair("dilation_rate", options.dilation_rate);
  config.kernel_and_bias(options);
  config.names_activity_regularizer();
}

}  // namespace lamina::layers
