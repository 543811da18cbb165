#include <algorithm>
#include <optional>

#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/conv_base.h"

namespace lamina::layers {
namespace {

template <class Options>
class ConvTransposeLayer final : public ConvLayer<Options> {
 public:
  ConvTransposeLayer(const char* class_name, const Options& options)
      : ConvLayer<Options>(class_name, options, geometry_of(options)) {
    this->checked([&] { check_filters(this->options_.filters); });
    this->checked([&] { check_dilation(this->geometry_.strides, this->geometry_.dilation_rate); });
    if (this->options_.output_padding) {
      extra_ = in_plane(*this->options_.output_padding, 0);
      check_output_padding();
    }
  }

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape&) const override {
    return this->options_.filters;
  }

  [[nodiscard]] std::int64_t spatial_size(std::size_t i, std::int64_t size) const override {
    if (size == kNone) return kNone;
    const AxisPadding crop = cropping(i);
    return (size - 1) * this->stride(i) + this->window(i) - crop.before - crop.after;
  }

  void on_build(const Shapes& inputs) override {
    const Options& o = this->options_;
    this->require_channels(inputs.at(0));
    kernel_ =
        this->add_weight("kernel", this->kernel_shape(o.filters, this->channels(inputs[0])),
                         o.kernel_initializer.bind(), {o.kernel_regularizer, o.kernel_constraint});
    if (o.use_bias) {
      bias_ = this->add_weight("bias", {o.filters}, o.bias_initializer.bind(),
                               {o.bias_regularizer, o.bias_constraint});
    }
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const std::int64_t filters = this->options_.filters;
    const ValueId x = this->to_nhwc(builder, inputs.at(0));
    const Shape in = builder.shape(x);
    ops::Conv2DTranspose op;
    op.x = builder.spec(x);
    op.kernel = to_pair(this->geometry_.kernel_size);
    op.strides = to_pair(this->geometry_.strides);
    op.dilation = to_pair(this->geometry_.dilation_rate);
    Shape out{in[0], 1, 1, filters};
    const std::size_t rank = this->geometry_.rank;
    for (std::size_t i = 0; i < rank; ++i) {
      const std::size_t member = i + 2 - rank;
      const std::int64_t axis = static_cast<std::int64_t>(member) + 1;
      op.pad_before[member] = cropping(i).before;
      op.pad_after[member] = cropping(i).after;
      out[axis] = spatial_size(i, in[axis]);
    }
    op.y = {std::move(out), this->compute_dtype()};
    const Shape kernel = this->kernel_shape_2d(filters, in[-1]);
    const ValueId y = this->emit_with_bias(
        builder, std::move(op), x, graph::Param::of(kernel_, this->compute_dtype(), kernel), bias_);
    return this->finish(builder, y);
  }

 private:
  void check_output_padding() const {
    this->checked([&] { check_pair("output_padding", *extra_, 0); });
    for (std::size_t i = 0; i < this->geometry_.rank; ++i) {
      const std::int64_t extra = this->member(*extra_, i);
      if (extra >= this->stride(i)) {
        this->fail(
            "`output_padding` must be strictly less than `strides` for all dimensions. At "
            "dimension " +
            std::to_string(i) + ", `output_padding` is " + std::to_string(extra) +
            " but `strides` is " + std::to_string(this->stride(i)) + ".");
      }
    }
  }

  // What is cut from the full output, (size - 1) * stride + window. A negative `after` appends. The
  // padding that XLA's transposed convolution gets from Keras is window - 1 - crop on each side.
  [[nodiscard]] AxisPadding cropping(std::size_t i) const {
    const std::int64_t k = this->window(i), stride = this->stride(i);
    const std::int64_t extra = extra_ ? this->member(*extra_, i) : 0;
    if (this->geometry_.padding == "valid") {
      return {0, extra_ ? -extra : -(std::max(k, stride) - k)};
    }
    const std::int64_t total = extra_ ? k + k % 2 - 2 + extra : stride + k - 2;
    const std::int64_t left = std::min(total / 2 + total % 2, k - 1);
    return {k - 1 - left, k - 1 - (total - left)};
  }

  std::optional<IntPair> extra_;  ///< the output's padding
  VariablePtr kernel_, bias_;
};

template <class Options>
void describe_transposed(Config& config, Options& options) {
  config.required({"filters", "kernel_size"});
  config.integer("filters", options.filters);
  describe_along(config, "kernel_size", options.kernel_size);
  describe_along(config, "strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
  describe_along(config, "dilation_rate", options.dilation_rate);
  config.kernel_and_bias(options);
  config.names_activity_regularizer();
}

}  // namespace

LayerRef Conv1DTranspose(Conv1DTransposeOptions options) {
  return make_layer<ConvTransposeLayer<Conv1DTransposeOptions>>("Conv1DTranspose", options);
}

LayerRef Conv2DTranspose(Conv2DTransposeOptions options) {
  return make_layer<ConvTransposeLayer<Conv2DTransposeOptions>>("Conv2DTranspose", options);
}

void describe(Config& config, Conv1DTransposeOptions& options) {
  describe_transposed(config, options);
  config.optional_single("output_padding", options.output_padding);
}

void describe(Config& config, Conv2DTransposeOptions& options) {
  describe_transposed(config, options);
  config.optional_pair("output_padding", options.output_padding);
}

}  // namespace lamina::layers
