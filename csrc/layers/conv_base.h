#pragma once
#include <string>

#include "layers/activation_function.h"
#include "layers/arguments.h"
#include "layers/conv_columns.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {

/// What the convolutions have in common: images in either data format, 1D as 2D with one row, 3D as
/// conv_columns.h says.
struct ConvGeometry {
  Along kernel_size, strides, dilation_rate;
  std::string padding, data_format;
  bool may_be_causal = false;

  [[nodiscard]] std::size_t rank() const { return kernel_size.size(); }  ///< spatial axes
  [[nodiscard]] bool channels_first() const { return data_format == kChannelsFirst; }
  [[nodiscard]] std::int64_t channel_axis() const { return channels_first() ? 1 : -1; }
};

template <class Options>
[[nodiscard]] ConvGeometry geometry_of(const Options& options) {
  return {along(options.kernel_size), along(options.strides), along(options.dilation_rate),
          options.padding, options.data_format};
}

/// Throws ValueError, in Keras's words, without the layer; the padding in lower case.
[[nodiscard]] inline ConvGeometry checked_geometry(ConvGeometry geometry) {
  geometry.padding = check_padding(geometry.padding, geometry.may_be_causal);
  check_each("kernel_size", geometry.kernel_size, 1);
  check_each("strides", geometry.strides, 1);
  check_each("dilation_rate", geometry.dilation_rate, 1);
  check_data_format(geometry.data_format);
  return geometry;
}
/// The same for `filters`.
inline void check_filters(std::int64_t filters) {
  if (filters > 0) return;
  throw ValueError(
      "Invalid value for argument `filters`. Expected a strictly positive value. Received "
      "filters=" +
      std::to_string(filters) + ".");
}

/// Base of the convolutions: checks, shapes, and the way of an image into and out of NHWC.
template <class Options>
class ConvLayer : public LibraryLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const Shape& in = inputs.at(0);
    Shape out = in;
    out[geometry_.channel_axis()] = out_channels(in);
    for (std::size_t i = 0; i < geometry_.rank(); ++i) {
      const std::int64_t axis = spatial_axis(i);
      out[axis] = spatial_size(i, in[axis]);
      if (in[axis] != kNone && out[axis] <= 0) {
        this->fail(
            "Computed output size would be zero or negative. Received `inputs shape=" + in.str() +
            "`, output shape=" + out.str() + ", `padding=" + geometry_.padding + "`.");
      }
    }
    return {out};
  }

 protected:
  ConvLayer(std::string class_name, Options options, ConvGeometry geometry)
      : LibraryLayer<Options>(std::move(class_name), std::move(options)),
        geometry_(std::move(geometry)) {
    this->checked([&] {
      geometry_ = checked_geometry(std::move(geometry_));
      check_activation(this->options_.activation);
    });
    // Keras asks for at least this rank and fails later for more.
    this->input_spec_.ndim = geometry_.rank() + 2;
  }

  [[nodiscard]] virtual std::int64_t out_channels(const Shape& input) const = 0;
  [[nodiscard]] virtual std::int64_t spatial_size(std::size_t i, std::int64_t size) const {
    return window_count(geometry_.padding, size, window(i), stride(i));
  }

  [[nodiscard]] std::int64_t channels(const Shape& shape) const {
    return shape[geometry_.channel_axis()];
  }
  [[nodiscard]] std::int64_t spatial_axis(std::size_t i) const {
    return static_cast<std::int64_t>(i) + (geometry_.channels_first() ? 2 : 1);
  }
  [[nodiscard]] std::int64_t window(std::size_t i) const {
    return dilated(geometry_.kernel_size[i], geometry_.dilation_rate[i]);
  }
  [[nodiscard]] std::int64_t stride(std::size_t i) const { return geometry_.strides[i]; }

  /// (kernel..., a, b).
  [[nodiscard]] Shape kernel_shape(std::int64_t a, std::int64_t b) const {
    Along dims = geometry_.kernel_size;
    dims.insert(dims.end(), {a, b});
    return Shape(std::move(dims));
  }
  /// The same with two spatial axes; of a third, `a` holds what there is along it.
  [[nodiscard]] Shape kernel_shape_2d(std::int64_t a, std::int64_t b) const {
    const ops::Pair size = in_plane(geometry_.kernel_size);
    return {size[0], size[1], a, b};
  }

  void require_channels(const Shape& input) {
    this->input_spec_.axes = {{geometry_.channel_axis(), channels(input)}};
    (void)compute_output_shape({input});
  }

  /// An image on its way through the layer, NHWC; of a volume, whose columns are in the batch, how
  /// many these are.
  struct Image {
    ValueId value;
    std::int64_t columns = 0;
  };

  /// In the compute dtype.
  [[nodiscard]] ValueId channels_last(Builder& builder, ValueId x) const {
    x = this->computable(builder, x);
    return geometry_.channels_first() ? to_channels_last(builder, x) : x;
  }
  [[nodiscard]] Image to_nhwc(Builder& builder, ValueId x) const {
    x = channels_last(builder, x);
    const Shape shape = builder.shape(x);
    if (geometry_.rank() == 1) return {builder.reshape(x, {shape[0], 1, shape[1], shape[2]})};
    if (geometry_.rank() == 3) return {columns_to_batch(builder, x), shape[3]};
    return {x};
  }
  /// The same with what the kernel reads along columns that are in the batch.
  [[nodiscard]] Image to_windows(Builder& builder, ValueId x, std::int64_t groups) const {
    if (geometry_.rank() < 3) return to_nhwc(builder, x);
    return windows_of(builder, geometry_, channels_last(builder, x), groups);
  }
  /// The same of volumes with their channels last, as another geometry has the kernel.
  [[nodiscard]] static Image windows_of(Builder& builder, const ConvGeometry& geometry, ValueId x,
                                        std::int64_t groups) {
    const std::int64_t size = builder.shape(x)[3], stride = geometry.strides[2];
    const std::int64_t window = dilated(geometry.kernel_size[2], geometry.dilation_rate[2]);
    const ColumnWindows windows{window_count(geometry.padding, size, window, stride),
                                geometry.kernel_size[2], stride, geometry.dilation_rate[2],
                                window_padding(geometry.padding, size, window, stride).before};
    return {gathered_windows(builder, x, windows, groups), windows.count};
  }
  [[nodiscard]] ValueId from_nhwc(Builder& builder, Image image) const {
    ValueId y = image.value;
    if (geometry_.rank() == 1) {
      const Shape& shape = builder.shape(y);
      y = builder.reshape(y, {shape[0], shape[2], shape[3]});
    }
    if (geometry_.rank() == 3) y = columns_from_batch(builder, y, image.columns);
    return geometry_.channels_first() ? to_channels_first(builder, y) : y;
  }

  /// A convolution of x (NHWC) with the layer's geometry. `kernel` (KH, KW, C / groups, filters).
  [[nodiscard]] Image convolve(Builder& builder, Image x, graph::Param kernel, std::int64_t filters,
                               std::int64_t groups, const VariablePtr& bias) const {
    return convolve(builder, geometry_, x, std::move(kernel), filters, groups, bias);
  }
  /// With another one.
  [[nodiscard]] Image convolve(Builder& builder, const ConvGeometry& geometry, Image x,
                               graph::Param kernel, std::int64_t filters, std::int64_t groups,
                               const VariablePtr& bias) const {
    const Shape& in = builder.shape(x.value);
    ops::Conv2D op;
    op.x = builder.spec(x.value);
    op.kernel = in_plane(geometry.kernel_size);
    op.strides = in_plane(geometry.strides);
    op.dilation = in_plane(geometry.dilation_rate);
    op.groups = groups;
    Shape out{in[0], 1, 1, filters};
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t size = in[static_cast<std::int64_t>(i) + 1];
      const std::int64_t window = dilated(op.kernel[i], op.dilation[i]);
      const AxisPadding pad = i == 0 && geometry.rank() == 1
                                  ? AxisPadding{}
                                  : window_padding(geometry.padding, size, window, op.strides[i]);
      op.pad_before[i] = pad.before;
      op.pad_after[i] = pad.after;
      out[static_cast<std::int64_t>(i) + 1] =
          (size + pad.before + pad.after - window) / op.strides[i] + 1;
    }
    op.y = {std::move(out), this->compute_dtype()};
    return {emit_with_bias(builder, std::move(op), x.value, std::move(kernel), bias), x.columns};
  }

  template <class Op>
  [[nodiscard]] ValueId emit_with_bias(Builder& builder, Op op, ValueId x, graph::Param kernel,
                                       const VariablePtr& bias) const {
    std::vector<graph::Param> params{std::move(kernel)};
    op.bias = bias != nullptr;
    if (op.bias) params.push_back(graph::Param::of(bias, this->compute_dtype()));
    return builder.emit(std::move(op), {x}, std::move(params));
  }

  /// The layer's activation, and back to its data format.
  [[nodiscard]] Ids finish(Builder& builder, Image y) const {
    const ActivationFunction& activation = this->options_.activation;
    // Before the change of layout where the order does not matter, so that it can be fused.
    if (is_elementwise(activation)) {
      y.value = lower_activation(builder, y.value, activation);
      return {from_nhwc(builder, y)};
    }
    return {lower_activation(builder, from_nhwc(builder, y), activation)};
  }

  ConvGeometry geometry_;
};

}  // namespace lamina::layers
