#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

using Kind = ops::Reduce::Kind;

template <class Options>
class GlobalPoolingLayer : public LibraryLayer<Options> {
 public:
  GlobalPoolingLayer(std::string class_name, Options options, Kind kind, std::size_t rank)
      : LibraryLayer<Options>(std::move(class_name), std::move(options)), kind_(kind) {
    this->checked([&] { check_data_format(this->options_.data_format); });
    const std::size_t first = this->options_.data_format == kChannelsFirst ? 2 : 1;
    for (std::size_t i = 0; i < rank; ++i) axes_.push_back(first + i);
    this->input_spec_.ndim = rank + 2;
    this->built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out;
    for (std::size_t i = 0; i < inputs.at(0).rank(); ++i) {
      const bool pooled = i >= axes_.front() && i <= axes_.back();
      if (!pooled) out.push_back(inputs[0].dims()[i]);
      if (pooled && this->options_.keepdims) out.push_back(1);
    }
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = this->computable(builder, inputs.at(0));
    const ops::TensorSpec spec = builder.spec(x);
    return {builder.emit(
        ops::Reduce{kind_, spec, {compute_output_shape({spec.shape})[0], spec.dtype}, axes_}, {x})};
  }

 private:
  Kind kind_;
  std::vector<std::size_t> axes_;
};

/// The mean over the steps that its mask leaves, and no mask behind it.
class GlobalAveragePooling1DLayer final : public GlobalPoolingLayer<GlobalAveragePooling1DOptions> {
 public:
  explicit GlobalAveragePooling1DLayer(GlobalAveragePooling1DOptions options)
      : GlobalPoolingLayer("GlobalAveragePooling1D", std::move(options), Kind::kMean, 1) {}

  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] CallSignature call_signature() const override { return {.tensors = {"mask"}}; }

 protected:
  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks&) override { return {}; }

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const std::optional<ValueId> given = call.tensor("mask");
    if (!given) return on_lower(builder, inputs);
    const ValueId x = computable(builder, inputs.at(0));
    const Shape& in = builder.shape(x);
    const bool channels_first = options_.data_format == kChannelsFirst;
    const std::size_t steps = channels_first ? 2 : 1;
    const Shape& mask = builder.shape(*given);
    const std::int64_t along = in.dims()[steps];
    if (mask.rank() != 2 || (mask[0] != in[0] && mask[0] != 1) ||
        (mask[1] != along && mask[1] != 1)) {
      fail("The `mask` of shape " + mask.str() + " does not fit the input shape " + in.str() + ".");
    }
    const ValueId expanded = expand_dims(builder, *given, channels_first ? 1 : 2);
    const Shape out = compute_output_shape({in})[0];
    const ValueId sum = builder.sum(kept(builder, x, expanded), {steps}, out);
    Shape counted = builder.shape(expanded);
    if (options_.keepdims) {
      counted[static_cast<std::int64_t>(steps)] = 1;
    } else {
      counted = {counted[0], 1};
    }
    const ValueId count =
        builder.sum(mask_numbers(builder, expanded, compute_dtype()), {steps}, std::move(counted));
    return {builder.binary(ops::Binary::kDivide, sum, count)};
  }
};

template <class Options>
LayerRef global_pooling(const char* class_name, Options options, Kind kind, std::size_t rank) {
  return make_layer<GlobalPoolingLayer<Options>>(class_name, std::move(options), kind, rank);
}

template <class Options>
void describe_global(Config& config, Options& options) {
  config.data_format(options.data_format);
  config.boolean("keepdims", options.keepdims);
}

}  // namespace

LayerRef GlobalAveragePooling1D(GlobalAveragePooling1DOptions options) {
  return make_layer<GlobalAveragePooling1DLayer>(std::move(options));
}
LayerRef GlobalAveragePooling2D(GlobalAveragePooling2DOptions options) {
  return global_pooling("GlobalAveragePooling2D", std::move(options), Kind::kMean, 2);
}
LayerRef GlobalMaxPooling1D(GlobalMaxPooling1DOptions options) {
  return global_pooling("GlobalMaxPooling1D", std::move(options), Kind::kMax, 1);
}
LayerRef GlobalMaxPooling2D(GlobalMaxPooling2DOptions options) {
  return global_pooling("GlobalMaxPooling2D", std::move(options), Kind::kMax, 2);
}
LayerRef GlobalAveragePooling3D(GlobalAveragePooling3DOptions options) {
  return global_pooling("GlobalAveragePooling3D", std::move(options), Kind::kMean, 3);
}
LayerRef GlobalMaxPooling3D(GlobalMaxPooling3DOptions options) {
  return global_pooling("GlobalMaxPooling3D", std::move(options), Kind::kMax, 3);
}

void describe(Config& config, GlobalAveragePooling1DOptions& options) {
  describe_global(config, options);
}
void describe(Config& config, GlobalAveragePooling2DOptions& options) {
  describe_global(config, options);
}
void describe(Config& config, GlobalMaxPooling1DOptions& options) {
  describe_global(config, options);
}
void describe(Config& config, GlobalMaxPooling2DOptions& options) {
  describe_global(config, options);
}
void describe(Config& config, GlobalAveragePooling3DOptions& options) {
  describe_global(config, options);
}
void describe(Config& config, GlobalMaxPooling3DOptions& options) {
  describe_global(config, options);
}

}  // namespace lamina::layers
