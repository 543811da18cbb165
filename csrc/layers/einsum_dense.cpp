#include "layers/activation_function.h"
#include "layers/config/registered_layers.h"
#include "layers/contraction.h"
#include "layers/einsum_equation.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

std::int64_t product(const std::vector<std::int64_t>& dims) {
  return Shape(dims).size();
}

class EinsumDenseLayer final : public LibraryLayer<EinsumDenseOptions> {
 public:
  explicit EinsumDenseLayer(EinsumDenseOptions options)
      : LibraryLayer("EinsumDense", std::move(options)) {
    checked([&] { check_activation(options_.activation); });
    for (const std::int64_t dim : options_.output_shape) {
      if (dim > 0 || dim == kNone) continue;
      fail(
          "Received an invalid value for `output_shape`, expected positive integers or None. "
          "Received: output_shape=" +
          options_.output_shape.str());
    }
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    return {shapes(inputs.at(0)).output};
  }

 protected:
  void on_build(const Shapes& inputs) override {
    const EinsumShapes found = shapes(inputs.at(0));
    kernel_ = add_weight("kernel", found.kernel, options_.kernel_initializer.bind(found.summed),
                         {options_.kernel_regularizer, options_.kernel_constraint});
    if (found.bias) {
      bias_ = add_weight("bias", *found.bias, options_.bias_initializer.bind(),
                         {options_.bias_regularizer, options_.bias_constraint});
    }
    input_spec_.ndim = inputs.at(0).rank();
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = computable(builder, inputs.at(0));
    const EinsumEquation equation = this->equation(builder.shape(x).rank());
    check_sizes(equation, builder.shape(x));
    const Roles roles(equation.input, equation.kernel, equation.output);
    const std::string left = roles.batch + roles.rows, letters = left + roles.columns;
    std::vector<std::int64_t> sizes = sizes_of(left, equation.input, builder.shape(x));
    for (const std::int64_t size : sizes_of(roles.columns, equation.kernel, kernel_->shape())) {
      sizes.push_back(size);
    }
    x = ordered(builder, summed(builder, {x, equation.input}, left + roles.depth),
                left + roles.depth);
    const bool dense = roles.batch.empty() && (equation.kernel == roles.depth + roles.columns ||
                                               equation.kernel == roles.columns + roles.depth);
    const bool fused = dense && bias_ && adds_to_columns(equation, roles);
    ValueId y = dense ? lower_dense(builder, x, equation, roles, fused)
                      : lower_products(builder, x, equation, roles);
    y = ordered(builder, {builder.reshape(y, Shape(std::move(sizes))), letters}, equation.output);
    if (bias_ && !fused) {
      y = builder.binary(ops::Binary::kAdd, y, value_of(builder, bias_));
    }
    return {lower_activation(builder, y, options_.activation)};
  }

 private:
  [[nodiscard]] EinsumEquation equation(std::size_t input_rank) const {
    try {
      return checked([&] { return EinsumEquation(options_.equation, input_rank); });
    } catch (const UnsupportedError& error) {
      throw UnsupportedError(
          std::string("Layer '").append(name()).append("' (EinsumDense): ").append(error.what()));
    }
  }
  [[nodiscard]] EinsumShapes shapes(const Shape& input) const {
    const EinsumEquation found = equation(input.rank());
    return checked(
        [&] { return EinsumShapes(found, input, options_.output_shape, options_.bias_axes); });
  }

  /// An axis whose size was not known may turn out not to be the kernel's.
  void check_sizes(const EinsumEquation& equation, const Shape& input) const {
    const std::string shared = letters_of(
        equation.kernel, [&](char letter) { return has_letter(equation.input, letter); });
    if (sizes_of(shared, equation.input, input) ==
        sizes_of(shared, equation.kernel, kernel_->shape())) {
      return;
    }
    fail("The kernel of shape " + kernel_->shape().str() + " does not suit an input of shape " +
         input.str() + " in the equation '" + options_.equation + "'.");
  }

  /// Whether the bias has an element for each of the kernel's columns, in their order.
  [[nodiscard]] bool adds_to_columns(const EinsumEquation& equation, const Roles& roles) const {
    const std::string of_bias = letters_of(
        equation.output, [&](char letter) { return has_letter(options_.bias_axes, letter); });
    return of_bias == roles.columns;
  }

  [[nodiscard]] ValueId value_of(Builder& builder, const VariablePtr& variable) const {
    return builder.emit(ops::ParamValue{{variable->shape(), compute_dtype()}}, {},
                        {graph::Param::of(variable, compute_dtype())});
  }

  /// x (rows..., depth...) times the kernel as a matrix.
  [[nodiscard]] ValueId lower_dense(Builder& builder, ValueId x, const EinsumEquation& equation,
                                    const Roles& roles, bool with_bias) const {
    const DType dtype = compute_dtype();
    const std::int64_t depth = product(sizes_of(roles.depth, equation.kernel, kernel_->shape()));
    const std::int64_t columns =
        product(sizes_of(roles.columns, equation.kernel, kernel_->shape()));
    const std::int64_t rows = rows_of(builder.shape(x), 0, roles);
    x = builder.reshape(x, {rows, depth});
    ops::Dense op;
    op.x = builder.spec(x);
    op.y = {{rows, columns}, dtype};
    op.bias = with_bias;
    op.transposed = equation.kernel != roles.depth + roles.columns;
    const Shape kernel = op.transposed ? Shape{columns, depth} : Shape{depth, columns};
    std::vector<graph::Param> params{graph::Param::of(kernel_, dtype, kernel)};
    if (with_bias) params.push_back(graph::Param::of(bias_, dtype, {columns}));
    return builder.emit(std::move(op), {x}, std::move(params));
  }

  /// x (batch..., rows..., depth...): a product for each index of the batch.
  [[nodiscard]] ValueId lower_products(Builder& builder, ValueId x, const EinsumEquation& equation,
                                       const Roles& roles) const {
    const auto size = [&](const std::string& letters) {
      return product(sizes_of(letters, equation.kernel, kernel_->shape()));
    };
    const std::int64_t batch = size(roles.batch), depth = size(roles.depth);
    const std::int64_t rows = rows_of(builder.shape(x), roles.batch.size(), roles);
    const ValueId kernel = ordered(builder, {value_of(builder, kernel_), equation.kernel},
                                   roles.batch + roles.depth + roles.columns);
    return builder.matmul(builder.reshape(x, {batch, rows, depth}),
                          builder.reshape(kernel, {batch, depth, size(roles.columns)}), {},
                          compute_dtype());
  }

  /// The product of the sizes of the rows' axes, which begin at `first`.
  [[nodiscard]] static std::int64_t rows_of(const Shape& x, std::size_t first, const Roles& roles) {
    const auto begin = x.dims().begin() + static_cast<std::ptrdiff_t>(first);
    return product({begin, begin + static_cast<std::ptrdiff_t>(roles.rows.size())});
  }

  VariablePtr kernel_, bias_;
};

}  // namespace

LayerRef EinsumDense(EinsumDenseOptions options) {
  return make_layer<EinsumDenseLayer>(std::move(options));
}

void describe(Config& config, EinsumDenseOptions& options) {
  config.required({"output_shape"});
  config.unused({"lora_alpha"});
  config.absent({"lora_rank", "gptq_unpacked_column_size"});
  config.fixed("quantization_config", nullptr);
  config.string("equation", options.equation);
  config.shape("output_shape", options.output_shape);
  config.activation("activation", options.activation);
  config.optional_string("bias_axes", options.bias_axes);
  config.kernel_and_bias_weights(options);
  config.names_activity_regularizer();
}

}  // namespace lamina::layers
