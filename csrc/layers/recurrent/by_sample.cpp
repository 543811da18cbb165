#include "layers/recurrent/by_sample.h"

#include <lamina/layers.h>
#include <lamina/model.h>

#include <algorithm>
#include <type_traits>

#include "layers/access.h"
#include "layers/config/described.h"
#include "layers/trace.h"

namespace lamina::layers {
namespace {

bool is_batch(std::int64_t axis) {
  return axis == 0 || axis < -1;  // negative ones might be
}
bool is_batch(const Axes& axes) {
  return std::any_of(axes.values.begin(), axes.values.end(),
                     [](std::int64_t axis) { return is_batch(axis); });
}

/// A softmax may be over the batch.
bool is_plain(const ActivationFunction& activation) {
  return activation.parameters.empty() || !activation.name.ends_with("softmax");
}

/// Whether what the options say does so, whatever layers they hold.
template <class Options>
bool keeps_samples_apart(const Options& options, bool training) {
  if constexpr (std::is_same_v<Options, BatchNormalizationOptions>) {
    if (training) return false;
  }
  if constexpr (std::is_same_v<Options, RescalingOptions>) {
    if (std::max(options.scale.shape.rank(), options.offset.shape.rank()) > 1) return false;
  }
  if constexpr (requires { options.stateful; }) {
    if (options.stateful) return false;
  }
  if constexpr (requires { options.noise_shape; }) {
    if (training && options.noise_shape.value) return false;
  }
  if constexpr (requires { options.axis; }) {
    if (is_batch(options.axis)) return false;
  }
  if constexpr (requires { options.activation; }) {
    if (!is_plain(options.activation)) return false;
  }
  if constexpr (requires { options.recurrent_activation; }) {
    if (!is_plain(options.recurrent_activation)) return false;
  }
  return true;
}

/// And of the layers that they hold.
template <class Options>
bool holds_such_alone(const Options& options, const graph::Builder& builder) {
  const auto is_such = [&](const LayerPtr& layer) { return goes_by_sample(*layer, builder); };
  if constexpr (requires { options.backward_layer; }) {
    if (!is_such(options.backward_layer)) return false;
  }
  if constexpr (requires { options.layer; }) return is_such(options.layer);
  if constexpr (requires { options.cell.layer; }) return is_such(options.cell.layer);
  if constexpr (requires { options.cells; }) {
    return std::all_of(options.cells.begin(), options.cells.end(), is_such);
  }
  return true;
}

/// Whether the layer has one of these structs of options, and those that are harmless.
template <class... Options>
bool is_any_of(const Layer& layer, const graph::Builder& builder) {
  const auto is = [&]<class One>(const Described<One>* described) {
    if (described == nullptr) return false;
    const One options = described->current_options();
    return keeps_samples_apart(options, builder.training()) && holds_such_alone(options, builder);
  };
  return (is(dynamic_cast<const Described<Options>*>(&layer)) || ...);
}

bool is_model(const Layer& layer) {
  return dynamic_cast<const Functional*>(&layer) != nullptr ||
         dynamic_cast<const Sequential*>(&layer) != nullptr;
}

/// Models whose batch has no fixed size, by what they call.
bool calls_such_alone(const Model& model, const graph::Builder& builder) {
  for (const SymbolicTensor& input : model.inputs()) {
    if (input.shape().rank() == 0 || input.shape()[0] != kNone) return false;
  }
  const Calls calls = calls_as_made(model.outputs());
  return std::all_of(calls.begin(), calls.end(), [&](const auto& call) {
    return call->inputs.empty() || goes_by_sample(*call->layer, builder);
  });
}

}  // namespace

bool goes_by_sample(const Layer& layer, const graph::Builder& builder) {
  // Divided by the number of samples in each call.
  if (layer.activity_regularizer() && builder.penalizes()) return false;
  if (is_model(layer)) return calls_such_alone(static_cast<const Model&>(layer), builder);
  return is_any_of<
      ActivationOptions, ActivityRegularizationOptions, AdditiveAttentionOptions,
      AlphaDropoutOptions, AttentionOptions, AveragePooling1DOptions, AveragePooling2DOptions,
      AveragePooling3DOptions, BatchNormalizationOptions, BidirectionalOptions, CenterCropOptions,
      ConcatenateOptions, Conv1DOptions, Conv1DTransposeOptions, Conv2DOptions,
      Conv2DTransposeOptions, Conv3DOptions, Conv3DTransposeOptions, ConvLSTM1DOptions,
      ConvLSTM2DOptions, ConvLSTM3DOptions, Cropping1DOptions, Cropping2DOptions, Cropping3DOptions,
      DenseOptions, DepthwiseConv1DOptions, DepthwiseConv2DOptions, DotOptions, DropoutOptions,
      ELUOptions, EmbeddingOptions, FlattenOptions, GaussianDropoutOptions, GaussianNoiseOptions,
      GlobalAveragePooling1DOptions, GlobalAveragePooling2DOptions, GlobalAveragePooling3DOptions,
      GlobalMaxPooling1DOptions, GlobalMaxPooling2DOptions, GlobalMaxPooling3DOptions,
      GroupNormalizationOptions, GroupQueryAttentionOptions, GRUOptions, GRUCellOptions,
      IdentityOptions, LayerNormalizationOptions, LayerScaleOptions, LeakyReLUOptions, LSTMOptions,
      LSTMCellOptions, MaskingOptions, MaxPooling1DOptions, MaxPooling2DOptions,
      MaxPooling3DOptions, MergeOptions, MultiHeadAttentionOptions, NormalizationOptions,
      PermuteOptions, PReLUOptions, RandomBrightnessOptions, RandomContrastOptions,
      RandomFlipOptions, RandomRotationOptions, RandomTranslationOptions, RandomZoomOptions,
      ReLUOptions, RepeatVectorOptions, RescalingOptions, ReshapeOptions, ResizingOptions,
      RMSNormalizationOptions, RNNOptions, SeparableConv1DOptions, SeparableConv2DOptions,
      SimpleRNNOptions, SimpleRNNCellOptions, SoftmaxOptions, SpatialDropout1DOptions,
      SpatialDropout2DOptions, SpatialDropout3DOptions, StackedRNNCellsOptions,
      StochasticDepthOptions, TimeDistributedOptions, UnitNormalizationOptions, UpSampling1DOptions,
      UpSampling2DOptions, UpSampling3DOptions, ZeroPadding1DOptions, ZeroPadding2DOptions,
      ZeroPadding3DOptions, CustomScaleLayerOptions>(layer, builder);
}

}  // namespace lamina::layers
