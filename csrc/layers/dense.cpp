#include "layers/activation_function.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

class DenseLayer final : public LibraryLayer<DenseOptions> {
 public:
  explicit DenseLayer(DenseOptions options) : LibraryLayer("Dense", std::move(options)) {
    if (options_.units <= 0) {
      fail("Received an invalid value for `units`, expected a positive integer. Received: units=" +
           std::to_string(options_.units));
    }
    checked([&] { check_activation(options_.activation); });
    input_spec_.min_ndim = 2;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape shape = inputs.at(0);
    shape[-1] = options_.units;
    return {shape};
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override {
    const std::int64_t in = inputs.at(0)[-1];
    kernel_ = add_weight("kernel", {in, options_.units}, options_.kernel_initializer.bind(),
                         {options_.kernel_regularizer, options_.kernel_constraint});
    if (options_.use_bias) {
      bias_ = add_weight("bias", {options_.units}, options_.bias_initializer.bind(),
                         {options_.bias_regularizer, options_.bias_constraint});
    }
    input_spec_.axes = {{-1, in}};
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = computable(builder, inputs.at(0));
    const DType dtype = compute_dtype();
    ops::Dense op;
    op.x = builder.spec(x);
    op.y = {compute_output_shape({op.x.shape})[0], dtype};
    op.bias = options_.use_bias;
    std::vector<graph::Param> params{graph::Param::of(kernel_, dtype)};
    if (op.bias) params.push_back(graph::Param::of(bias_, dtype));
    const ValueId y = builder.emit(std::move(op), {x}, std::move(params));
    return {lower_activation(builder, y, options_.activation)};
  }

 private:
  VariablePtr kernel_, bias_;
};

}  // namespace

LayerRef Dense(DenseOptions options) {
  return make_layer<DenseLayer>(std::move(options));
}

void describe(Config& config, DenseOptions& options) {
  config.required({"units"});
  config.unused({"lora_alpha"});
  config.absent({"lora_rank"});
  config.fixed("quantization_config", nullptr);
  config.integer("units", options.units);
  config.kernel_and_bias(options);
}

}  // namespace lamina::layers
