// The spectral norm of a kernel, as a matrix of its last axis' columns, is v W u, where u and v
// come of a few steps of power iteration from the u of before and count as constants for the
// gradient. As operations are linear in their kernel, what they give is divided by the norm, so
// that it need not be known which operation takes it.
#include "layers/access.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/l2_normalized.h"
#include "layers/library_layer.h"
#include "layers/masks.h"
#include "layers/recurrent/build_within.h"

namespace lamina::layers {
namespace {

constexpr double kEpsilon = 1e-7;  // Keras's `normalize`

class SpectralNormalizationLayer final : public MovingLayer<SpectralNormalizationOptions> {
 public:
  explicit SpectralNormalizationLayer(SpectralNormalizationOptions options)
      : MovingLayer("SpectralNormalization", std::move(options)) {
    if (!options_.layer) {
      fail(
          "Layer None supplied to Wrapper isn't a supported layer type. Please ensure wrapped "
          "layer is a valid Keras layer.");
    }
    if (options_.power_iterations <= 0) {
      fail("`power_iterations` should be greater than zero. Received: `power_iterations=" +
           std::to_string(options_.power_iterations) + "`");
    }
    (void)track("layer", options_.layer);
  }

  [[nodiscard]] bool supports_masking() const override { return true; }
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shapes out = inner().compute_output_shape({inputs.at(0)});
    if (out.size() == 1) return out;
    fail("takes a layer with one output. Received one with " + std::to_string(out.size()));
  }

 protected:
  void on_build(const Shapes& inputs) override {
    build_within(*this, inner(), {inputs.at(0)});
    kernel_ = kernel_of_layer();
    Access::share_weight(*this, kernel_);
    vector_u_ = add_weight("vector_u", {1, columns()},
                           Initializer(initializers::TruncatedNormal{.stddev = 0.02}).bind(), false,
                           kernel_->dtype());
    input_spec_.min_ndim = 1;
    input_spec_.axes = {{-1, inputs[0][-1]}};
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = inputs.at(0);
    const bool normalizes = builder.training();
    if (normalizes) builder.begin_scaling(kernel_, inverse_norm(builder));
    const ValueId y = Access::lower(inner(), builder, {x}).at(0);
    if (normalizes) builder.end_scaling();
    return {builder.cast(y, builder.dtype(x))};
  }

 private:
  [[nodiscard]] Layer& inner() const { return *options_.layer; }
  [[nodiscard]] std::int64_t columns() const { return kernel_->shape()[-1]; }

  [[nodiscard]] VariablePtr kernel_of_layer() const {
    for (const char* name : {"kernel", "embeddings"}) {
      for (const VariablePtr& variable : inner().own_variables()) {
        if (variable->name() == name) return variable;
      }
    }
    fail(inner().class_name() + " object has no attribute 'kernel' nor 'embeddings'");
  }

  /// The variable's value as a matrix, with respect to which `constant` ones have no gradient.
  [[nodiscard]] ValueId matrix_of(Builder& builder, const VariablePtr& variable,
                                  bool constant) const {
    const ops::TensorSpec spec{{variable->shape().size() / columns(), columns()},
                               statistics_dtype(variable->dtype())};
    graph::Param param = graph::Param::of(variable, spec.dtype, spec.shape);
    param.constant = constant;
    return builder.emit(ops::ParamValue{spec}, {}, {std::move(param)});
  }

  /// One over the kernel's norm, (1); 1 of a kernel that is all 0, which leaves vector_u as it is.
  [[nodiscard]] ValueId inverse_norm(Builder& builder) const {
    const ValueId still = matrix_of(builder, kernel_, true);
    const ValueId before = matrix_of(builder, vector_u_, true);
    const DType dtype = builder.dtype(still);
    const ValueId nothing = mask_numbers(
        builder, logical_not(builder, any(builder, not_equal(builder, still, 0), {0, 1}, true)),
        dtype);
    ops::MatMul by_rows;
    by_rows.transpose_x1 = true;
    ValueId u = before, v = before;
    for (std::int64_t i = 0; i < options_.power_iterations; ++i) {
      v = l2_normalized(builder, builder.matmul(u, still, by_rows, dtype), {0, 1}, kEpsilon);
      u = l2_normalized(builder, builder.matmul(v, still, {}, dtype), {0, 1}, kEpsilon);
    }
    const ValueId unchanged = builder.binary(ops::Binary::kMultiply, before, nothing);
    builder.moving_average(vector_u_, builder.binary(ops::Binary::kAdd, u, unchanged), 0, 0);
    const ValueId times_v = builder.matmul(v, matrix_of(builder, kernel_, false), {}, dtype);
    const ValueId norm =
        builder.binary(ops::Binary::kAdd, builder.matmul(times_v, u, by_rows, dtype), nothing);
    const ValueId one = filled(builder, builder.spec(norm), 1);
    return builder.reshape(builder.binary(ops::Binary::kDivide, one, norm), {1});
  }

  VariablePtr kernel_, vector_u_;
};

}  // namespace

LayerRef SpectralNormalization(SpectralNormalizationOptions options) {
  return make_layer<SpectralNormalizationLayer>(std::move(options));
}

void describe(Config& config, SpectralNormalizationOptions& options) {
  config.required({"layer"});
  config.layer("layer", options.layer, false);
  config.integer("power_iterations", options.power_iterations);
}

}  // namespace lamina::layers
