#include "layers/input.h"

#include "layers/access.h"
#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class InputLayerImpl final : public Layer, public Described<InputOptions> {
 public:
  explicit InputLayerImpl(InputOptions options)
      : Layer({options.name, options.dtype, true}), dtype_(dtype_from_name(options.dtype)) {
    if (options.shape.value && options.batch_shape.value) {
      fail("You cannot pass both `shape` and `batch_shape` at the same time.");
    }
    if (options.batch_size && options.batch_shape.value) {
      fail("You cannot pass both `batch_size` and `batch_shape` at the same time.");
    }
    if (!options.shape.value && !options.batch_shape.value)
      fail("You must pass a `shape` argument.");
    if (options.batch_shape.value) {
      batch_shape_ = *options.batch_shape.value;
    } else {
      batch_shape_.push_back(options.batch_size.value_or(kNone));
      for (const std::int64_t dim : *options.shape.value) batch_shape_.push_back(dim);
    }
    for (const std::int64_t dim : batch_shape_) {
      if ((dim < 0 && dim != kNone) || dim > kLargestDim)
        fail("Invalid dimension in the shape " + batch_shape_.str() + ".");
    }
    built_ = true;
  }

  [[nodiscard]] std::string class_name() const override { return "InputLayer"; }

  [[nodiscard]] InputOptions current_options() const override {
    return {.dtype = std::string(dtype_name(dtype_)), .batch_shape = batch_shape_, .name = name()};
  }

  /// What a model's graph begins with: a node without inputs.
  [[nodiscard]] SymbolicTensor placeholder() {
    return Access::output(Access::make_node(shared_from_this(), {}, {}, {batch_shape_}, {dtype_}),
                          0);
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes&) override { return {batch_shape_}; }
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>&) override {
    return {dtype_};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder&, const Ids& inputs) override { return inputs; }
  [[nodiscard]] bool autocast() const override { return false; }

 private:
  [[nodiscard]] bool traces_call() const override { return false; }

  Shape batch_shape_;
  DType dtype_;
};

}  // namespace

LayerRef InputLayer(InputOptions options) {
  return make_layer<InputLayerImpl>(std::move(options));
}

SymbolicTensor Input(InputOptions options) {
  const auto layer = std::make_shared<InputLayerImpl>(std::move(options));
  (void)layer->name();
  return layer->placeholder();
}

SymbolicTensor input_placeholder(Layer& layer) {
  auto* input = dynamic_cast<InputLayerImpl*>(&layer);
  if (input == nullptr) throw ValueError(layer.repr() + " is no InputLayer.");
  return input->placeholder();
}

void describe(Config& config, InputOptions& options) {
  config.batch_shape("batch_shape", options.batch_shape);
  config.dtype(options.dtype);
  config.fixed("sparse", false);
  config.fixed("ragged", false);
  config.fixed("optional", false);
}

}  // namespace lamina::layers
