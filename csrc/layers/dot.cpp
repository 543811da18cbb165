#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/l2_normalized.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

std::string text_of(std::int64_t dim) {
  return dim == kNone ? "None" : std::to_string(dim);
}

class DotLayer final : public LibraryLayer<DotOptions> {
 public:
  explicit DotLayer(DotOptions options) : LibraryLayer("Dot", std::move(options)) {
    const std::size_t given = options_.axes.values.size();
    if (given == 0) {
      fail("Invalid type for argument `axes`: it should be a list or an int. Received: axes=None");
    }
    if (given > 2) {
      fail("Invalid format for argument `axes`: it should contain two elements. Received: " +
           std::to_string(given));
    }
    input_spec_.count = std::nullopt;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const auto [first, second] = contracted(inputs);
    Shape out{inputs[0][0] == kNone ? inputs[1][0] : inputs[0][0]};
    for (std::size_t i = 1; i < inputs[0].rank(); ++i) {
      if (i != first) out.push_back(inputs[0].dims()[i]);
    }
    for (std::size_t i = 1; i < inputs[1].rank(); ++i) {
      if (i != second) out.push_back(inputs[1].dims()[i]);
    }
    if (out.rank() == 1) out.push_back(1);
    return {out};
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override { (void)contracted(inputs); }

  [[nodiscard]] Masks compute_mask(Builder&, const Ids&, const Masks&) override { return {}; }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = computable(builder, inputs.at(0)), y = computable(builder, inputs.at(1));
    const Shapes shapes{builder.shape(x), builder.shape(y)};
    const auto [first, second] = contracted(shapes);
    if (options_.normalize) {
      x = l2_normalized(builder, x, {first}, kEpsilon);
      y = l2_normalized(builder, y, {second}, kEpsilon);
    }
    ops::MatMul product;
    x = as_matrices(builder, x, first, true, product.transpose_x0);
    y = as_matrices(builder, y, second, false, product.transpose_x1);
    const ValueId out = builder.matmul(x, y, std::move(product), compute_dtype());
    return {builder.reshape(out, compute_output_shape(shapes)[0])};
  }

 private:
  struct Contracted {
    std::size_t first, second;
  };
  /// The axes that are summed over, of inputs that suit them.
  [[nodiscard]] Contracted contracted(const Shapes& inputs) const {
    if (inputs.size() != 2) {
      fail("A `Dot` layer should be called on a list of 2 inputs. Received: input_shape=" +
           in_list(inputs));
    }
    const Shape &a = inputs[0], &b = inputs[1];
    const std::string shapes = a.str() + " and " + b.str() + ".";
    if (a.rank() < 2 || b.rank() < 2) {
      fail("Cannot do batch_dot on inputs with rank < 2. Received inputs with shapes " + shapes);
    }
    if (a[0] != kNone && b[0] != kNone && a[0] != b[0]) {
      fail(
          "Cannot do batch_dot on inputs with different batch sizes. Received inputs with shapes " +
          shapes);
    }
    const Contracted axes{axis_index(a, options_.axes.values.front()),
                          axis_index(b, options_.axes.values.back())};
    if (axes.first == 0 || axes.second == 0) fail("Cannot perform batch_dot over axis 0.");
    const std::int64_t size = a.dims()[axes.first], other = b.dims()[axes.second];
    if (size != other) {
      fail("Incompatible input shapes: axis values " + text_of(size) + " (at axis " +
           std::to_string(axes.first) + ") != " + text_of(other) + " (at axis " +
           std::to_string(axes.second) + "). Full input shapes: " + a.str() + ", " + b.str());
    }
    return axes;
  }

  /// x as matrices of `axis` and all others but the batch: (batch, others, size) where `last`, else
  /// (batch, size, others). `turned` is set, and it is the other way round, where x lies so.
  [[nodiscard]] static ValueId as_matrices(Builder& builder, ValueId x, std::size_t axis, bool last,
                                           bool& turned) {
    const Shape shape = builder.shape(x);
    const std::int64_t size = shape.dims()[axis];
    std::int64_t others = 1;
    std::vector<std::size_t> perm{0};
    for (std::size_t i = 1; i < shape.rank(); ++i) {
      if (i == axis) continue;
      perm.push_back(i);
      others *= shape.dims()[i];
    }
    const std::size_t wanted = last ? shape.rank() - 1 : 1;
    turned = axis != wanted && axis == (last ? 1 : shape.rank() - 1);
    if (!turned && axis != wanted) {
      perm.insert(last ? perm.end() : perm.begin() + 1, axis);
      x = builder.transpose(x, std::move(perm));
    }
    const bool size_last = last != turned;
    return builder.reshape(
        x, size_last ? Shape{shape[0], others, size} : Shape{shape[0], size, others});
  }
};

}  // namespace

LayerRef Dot(DotOptions options) {
  return make_layer<DotLayer>(std::move(options));
}

void describe(Config& config, DotOptions& options) {
  config.required({"axes"});
  config.axes("axes", options.axes, AxesForm::kOneOrList);
  config.boolean("normalize", options.normalize);
}

}  // namespace lamina::layers
