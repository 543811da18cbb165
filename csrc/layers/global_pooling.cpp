#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

using Kind = ops::Reduce::Kind;

template <class Options>
class GlobalPoolingLayer final : public LibraryLayer<Options> {
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
  return global_pooling("GlobalAveragePooling1D", std::move(options), Kind::kMean, 1);
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

}  // namespace lamina::layers
