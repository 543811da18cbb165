// ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: LSTMs whose products are convolutions. The images of all
// steps go through the kernel as one batch, those of states step by step, so that a plan holds the
// recurrent kernel, as backends pack it, once a step. Within they have their channels last, those
// of one dimension one row, and volumes are as they are between convolutions.
#include <algorithm>
#include <functional>
#include <numeric>

#include "layers/conv_base.h"
#include "layers/recurrent/cell_layer.h"
#include "layers/recurrent/lstm_states.h"
#include "layers/recurrent/recurrent_layer.h"

namespace lamina::layers {
namespace {

constexpr std::int64_t kGates = 4;

/// Keras has no such layer by itself: only the three have cells of it.
struct ConvLSTMCellOptions {
  ConvGeometry geometry = {};
  std::int64_t filters = 0;
  ActivationFunction activation = {}, recurrent_activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "zeros", recurrent_initializer = "zeros",
              bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer = {}, recurrent_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, recurrent_constraint = {}, bias_constraint = {};
  double dropout = 0, recurrent_dropout = 0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};

class ConvLSTMCellLayer final : public CellLayer<ConvLayer<ConvLSTMCellOptions>> {
 public:
  explicit ConvLSTMCellLayer(const ConvLSTMCellOptions& options)
      : CellLayer({"inputs", 2}, "ConvLSTMCell", options, options.geometry),
        recurrent_(geometry_),
        step_(std::vector<std::int64_t>(geometry_.rank() + 2, kNone)) {
    recurrent_.strides = recurrent_.dilation_rate = Along(geometry_.rank(), 1);
    recurrent_.padding = "same";
  }

  [[nodiscard]] Shape expected_step() const override { return step_; }
  [[nodiscard]] Shape state_shape(const Shape& step) override {
    return ConvLayer::compute_output_shape({step})[0];
  }

  [[nodiscard]] Course begin(Builder& builder, ValueId x) override {
    const Shape sequence = builder.shape(x);
    ValueId rows = held(builder, in_rows(builder, x));
    const std::int64_t features = builder.shape(rows)[-1];
    const auto masks = masks_of(builder, rows, sequence[1], features, options_.dropout);
    if (masks) rows = by_gate(builder, rows, sequence[0], *masks);
    const ValueId products =
        convolved(builder, geometry_, rows, masks ? kGates : 1, kernel_, bias_);
    return {products, step(builder, products, sequence[1])};
  }
  [[nodiscard]] ValueId state(Builder& builder, ValueId given) override {
    return held(builder, given);
  }
  [[nodiscard]] ValueId zero_state(Builder& builder, const Shape& step) override {
    const Shape state = state_shape(step);
    Shape zeros{state[0]};
    if (geometry_.rank() == 1) zeros.push_back(1);
    for (std::size_t i = 0; i < geometry_.rank(); ++i) zeros.push_back(state[spatial_axis(i)]);
    zeros.push_back(options_.filters);
    return constant(builder, zeros, 0);
  }
  [[nodiscard]] ValueId as_given(Builder& builder, ValueId states) const override {
    std::vector<std::int64_t> dims = builder.shape(states).dims();
    // Of the axes of an image.
    const std::size_t first = dims.size() - std::max<std::size_t>(geometry_.rank(), 2) - 1;
    if (geometry_.rank() == 1) {
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(first));
      states = builder.reshape(states, Shape(dims));
    }
    if (!geometry_.channels_first()) return states;
    std::vector<std::size_t> perm(dims.size());
    std::iota(perm.begin(), perm.end(), std::size_t{0});
    std::rotate(perm.begin() + static_cast<std::ptrdiff_t>(first), perm.end() - 1, perm.end());
    return builder.transpose(states, std::move(perm));
  }

 protected:
  [[nodiscard]] std::int64_t out_channels(const Shape&) const override { return options_.filters; }

  void on_build(const Shapes& inputs) override {
    const Shape& step = inputs.at(0);
    check_step(step);
    const std::int64_t features = channels(step);
    check_known(step);
    (void)state_shape(step);
    const ConvLSTMCellOptions& o = options_;
    kernel_ = add_weight("kernel", kernel_shape(features, kGates * o.filters),
                         o.kernel_initializer.bind(), {o.kernel_regularizer, o.kernel_constraint});
    recurrent_kernel_ = add_weight("recurrent_kernel", kernel_shape(o.filters, kGates * o.filters),
                                   o.recurrent_initializer.bind(),
                                   {o.recurrent_regularizer, o.recurrent_constraint});
    if (o.use_bias) {
      bias_ = add_weight("bias", {kGates * o.filters}, bias_initializer(o, o.filters),
                         {o.bias_regularizer, o.bias_constraint});
    }
    step_ = step;
    step_[0] = kNone;
  }

 private:
  /// As in Keras: only the batch may be open.
  void check_known(const Shape& step) const {
    for (std::size_t i = 0; i < geometry_.rank(); ++i) {
      if (step[spatial_axis(i)] != kNone) continue;
      fail(
          "ConvLSTM layers only support static input shapes for the spatial dimension. Received "
          "invalid input shape: input_shape=" +
          step.str());
    }
    if (channels(step) != kNone) return;
    fail(
        "The channel dimension of the inputs (last axis) should be defined. Found None. Full input "
        "shape received: input_shape=" +
        step.str());
  }

  /// As steps hold them: channels last, those of one dimension with one row.
  [[nodiscard]] ValueId held(Builder& builder, ValueId given) const {
    return geometry_.rank() == 3 ? channels_last(builder, given) : to_nhwc(builder, given).value;
  }

  /// What dropout leaves of a batch's images, for each gate something else, (batch * places, gates,
  /// channels), where they have as many places as `like`; none: all.
  [[nodiscard]] std::optional<ValueId> masks_of(Builder& builder, ValueId like, std::int64_t batch,
                                                std::int64_t features, double rate) const {
    const std::vector<std::int64_t>& dims = builder.shape(like).dims();
    const std::int64_t places =
        std::accumulate(dims.begin() + 1, dims.end() - 1, batch, std::multiplies<>());
    return dropped(builder, {places, kGates, features}, rate);
  }
  /// The images of so many steps, (steps * batch, ..., channels), times such masks, gate behind
  /// gate: (steps * batch, ..., gates * channels).
  [[nodiscard]] static ValueId by_gate(Builder& builder, ValueId images, std::int64_t steps,
                                       ValueId masks) {
    Shape shape = builder.shape(images);
    images = builder.reshape(images, {steps, builder.shape(masks)[0], 1, shape[-1]});
    images = builder.binary(ops::Binary::kMultiply, images, masks);
    shape[-1] *= kGates;
    return builder.reshape(images, shape);
  }
  /// The convolution of images, for all gates at once or, where each has its own, in a group for
  /// each.
  [[nodiscard]] ValueId convolved(Builder& builder, const ConvGeometry& geometry, ValueId images,
                                  std::int64_t groups, const VariablePtr& kernel,
                                  const VariablePtr& bias) const {
    const std::int64_t filters = kGates * options_.filters;
    const bool volumes = geometry.rank() == 3;
    const Image x = volumes ? windows_of(builder, geometry, images, groups) : Image{images};
    const std::int64_t read = builder.shape(x.value)[-1] / groups;
    const Image y =
        convolve(builder, geometry, x,
                 graph::Param::of(kernel, compute_dtype(), kernel_shape_2d(read, filters)), filters,
                 groups, bias);
    return volumes ? columns_from_batch(builder, y.value, y.columns) : y.value;
  }

  /// States are as large as the products of inputs.
  [[nodiscard]] Step step(Builder& builder, ValueId products, std::int64_t batch) const {
    const auto masks =
        masks_of(builder, products, batch, options_.filters, options_.recurrent_dropout);
    return [this, &builder, masks](ValueId x, const States& before) {
      const ValueId output = masks ? by_gate(builder, before[0], 1, *masks) : before[0];
      const ValueId inner =
          convolved(builder, recurrent_, output, masks ? kGates : 1, recurrent_kernel_, nullptr);
      return lstm_states(
          builder, builder.binary(ops::Binary::kAdd, x, inner), before[1],
          [&](ValueId v) { return activated(builder, v, options_.activation); },
          [&](ValueId v) { return activated(builder, v, options_.recurrent_activation); });
    };
  }
  /// One over an axis sees the images as Keras has them.
  [[nodiscard]] ValueId activated(Builder& builder, ValueId x,
                                  const ActivationFunction& activation) const {
    if (is_elementwise(activation)) return lower_activation(builder, x, activation);
    return held(builder, lower_activation(builder, as_given(builder, x), activation));
  }

  ConvGeometry recurrent_;
  Shape step_;  ///< what it was built for
  VariablePtr kernel_, recurrent_kernel_, bias_;
};

template <class Options>
class ConvLSTMLayer final : public RecurrentLayer<Options> {
 public:
  ConvLSTMLayer(const char* class_name, Options options)
      : RecurrentLayer<Options>(class_name, within_bounds(std::move(options))) {
    const Options& o = this->options_;
    ConvLSTMCellOptions cell = cell_options<ConvLSTMCellOptions>(o);
    this->checked([&] {
      check_filters(o.filters);
      if (o.filters > kLargestDim) {
        throw ValueError("`filters` is too large: " + std::to_string(o.filters));
      }
      cell.geometry = checked_geometry(geometry_of(o));
      check_dilation(cell.geometry.strides, cell.geometry.dilation_rate,
                     "Specifying `strides > 1` is not compatible with `dilation_rate > 1`. Please "
                     "provide `strides=1` or `dilation_rate=1`.");
      check_activations(o);
    });
    cell.filters = o.filters;
    cell.name = "conv_lstm_cell";
    cell.dtype = this->dtype_policy().name;
    this->hold_own(std::make_shared<ConvLSTMCellLayer>(cell));
  }
};

template <class Options>
void describe_conv_lstm(Config& config, Options& options) {
  config.unused("seed", nullptr);
  config.required({"filters", "kernel_size"});
  config.integer("filters", options.filters);
  config.along("kernel_size", options.kernel_size);
  config.along("strides", options.strides);
  config.string("padding", options.padding);
  config.data_format(options.data_format);
  config.along("dilation_rate", options.dilation_rate);
  describe_recurrent(config, options);
}

}  // namespace

LayerRef ConvLSTM1D(ConvLSTM1DOptions options) {
  return make_layer<ConvLSTMLayer<ConvLSTM1DOptions>>("ConvLSTM1D", std::move(options));
}

LayerRef ConvLSTM2D(ConvLSTM2DOptions options) {
  return make_layer<ConvLSTMLayer<ConvLSTM2DOptions>>("ConvLSTM2D", std::move(options));
}

LayerRef ConvLSTM3D(ConvLSTM3DOptions options) {
  return make_layer<ConvLSTMLayer<ConvLSTM3DOptions>>("ConvLSTM3D", std::move(options));
}

void describe(Config& config, ConvLSTM1DOptions& options) {
  describe_conv_lstm(config, options);
}

void describe(Config& config, ConvLSTM2DOptions& options) {
  describe_conv_lstm(config, options);
}

void describe(Config& config, ConvLSTM3DOptions& options) {
  describe_conv_lstm(config, options);
}

}  // namespace lamina::layers
