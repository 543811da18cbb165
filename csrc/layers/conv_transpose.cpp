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
      extra_ = along(*this->options_.output_padding);
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
    auto image = this->to_nhwc(builder, inputs.at(0));
    if (this->geometry_.rank() == 3) {
      image = over_columns(builder, image);
    } else {
      image.value = over_plane(builder, image.value, this->options_.filters, bias_);
    }
    return this->finish(builder, image);
  }

 private:
  using typename ConvLayer<Options>::Image;

  /// x (NHWC) as the plane of the kernel gives it, which has `channels` of its output.
  [[nodiscard]] ValueId over_plane(Builder& builder, ValueId x, std::int64_t channels,
                                   const VariablePtr& bias) const {
    const Shape in = builder.shape(x);
    ops::Conv2DTranspose op;
    op.x = builder.spec(x);
    op.kernel = in_plane(this->geometry_.kernel_size);
    op.strides = in_plane(this->geometry_.strides);
    op.dilation = in_plane(this->geometry_.dilation_rate);
    Shape out{in[0], 1, 1, channels};
    const std::size_t rank = std::min<std::size_t>(this->geometry_.rank(), 2);
    for (std::size_t i = 0; i < rank; ++i) {
      const std::size_t member = i + 2 - rank;
      const std::int64_t axis = static_cast<std::int64_t>(member) + 1;
      op.pad_before[member] = cropping(i).before;
      op.pad_after[member] = cropping(i).after;
      out[axis] = spatial_size(i, in[axis]);
    }
    op.y = {std::move(out), this->compute_dtype()};
    const Shape kernel = this->kernel_shape_2d(channels, in[-1]);
    return this->emit_with_bias(builder, std::move(op), x,
                                graph::Param::of(kernel_, this->compute_dtype(), kernel), bias);
  }

  /// And what the third axis of the kernel makes of that.
  [[nodiscard]] Image over_columns(Builder& builder, const Image& x) const {
    const ConvGeometry& geometry = this->geometry_;
    const ColumnWindows windows{x.columns, geometry.kernel_size[2], geometry.strides[2],
                                geometry.dilation_rate[2], cropping(2).before};
    const std::int64_t columns = spatial_size(2, x.columns);
    const ValueId parts =
        over_plane(builder, x.value, windows.size * this->options_.filters, nullptr);
    ValueId y = scattered_windows(builder, parts, windows, columns);
    if (bias_) {
      graph::Param bias = graph::Param::of(bias_, this->compute_dtype());
      const ops::ParamValue value{bias.as};
      y = builder.binary(ops::Binary::kAdd, y, builder.emit(value, {}, {std::move(bias)}));
    }
    return {y, columns};
  }

  void check_output_padding() const {
    this->checked([&] { check_each("output_padding", *extra_, 0); });
    for (std::size_t i = 0; i < extra_->size(); ++i) {
      const std::int64_t extra = (*extra_)[i];
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
    const std::int64_t extra = extra_ ? (*extra_)[i] : 0;
    if (this->geometry_.padding == "valid") {
      return {0, extra_ ? -extra : -(std::max(k, stride) - k)};
    }
    const std::int64_t total = extra_ ? k + k % 2 - 2 + extra : stride + k - 2;
    const std::int64_t left = std::min(total / 2 + total % 2, k - 1);
    return {k - 1 - left, k - 1 - (total - left)};
  }

  std::optional<Along> extra_;  ///< the output's padding
  VariablePtr kernel_, bias_;
};

template <class Options>
void describe_transposed(Config& config, Options& options) {
  config.required({"filters", "kernel_size"});
  config.integer("filters", options.filters);
  config.along("kernel_size", options.kernel_size);
  config.along("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
  config.along("dilation_rate", options.dilation_rate);
  config.kernel_and_bias(options);
  config.names_activity_regularizer();
  config.along("output_padding", options.output_padding);
}

}  // namespace

LayerRef Conv1DTranspose(Conv1DTransposeOptions options) {
  return make_layer<ConvTransposeLayer<Conv1DTransposeOptions>>("Conv1DTranspose", options);
}

LayerRef Conv2DTranspose(Conv2DTransposeOptions options) {
  return make_layer<ConvTransposeLayer<Conv2DTransposeOptions>>("Conv2DTranspose", options);
}

LayerRef Conv3DTranspose(Conv3DTransposeOptions options) {
  return make_layer<ConvTransposeLayer<Conv3DTransposeOptions>>("Conv3DTranspose", options);
}

void describe(Config& config, Conv1DTransposeOptions& options) {
  describe_transposed(config, options);
}

void describe(Config& config, Conv2DTransposeOptions& options) {
  describe_transposed(config, options);
}

void describe(Config& config, Conv3DTransposeOptions& options) {
  describe_transposed(config, options);
}

}  // namespace lamina::layers
