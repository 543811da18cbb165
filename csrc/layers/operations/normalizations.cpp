// x without its mean, divided by its size, then scaled and moved by what the call is given.
#include <array>

#include "layers/arguments.h"
#include "layers/operations/operations.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;
using ops::Binary;

/// Of a tensor of floats, whose shape and dtype the result has.
class Normalization : public Operation {
 public:
  Normalization(OperationForm form, std::initializer_list<std::string_view> options)
      : Operation(std::move(form), Operands::kOthers, options) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const final {
    check(x);
    return x.at(0);
  }
  [[nodiscard]] DType dtype(const DTypes& x) const final {
    if (!is_floating(x.at(0))) unsupported("a tensor of integers");
    return x[0];
  }
  virtual void check(const Shapes& x) const = 0;

  /// The call has to be given its first arguments, and may be given the others.
  void check_arguments(std::size_t needed, std::size_t most) const {
    const json& args = form().args;
    bool good = args.size() >= needed && args.size() <= most;
    for (std::size_t i = 0; good && i < args.size(); ++i) {
      good = is_tensor_argument(args[i]) || (i >= needed && args[i].is_null());
    }
    if (!good) unsupported("what it is called with");
  }
  /// An argument by its place; none where it is not given.
  template <class T>
  [[nodiscard]] std::optional<T> argument(std::size_t place, const std::vector<T>& tensors) const {
    const json& args = form().args;
    return place < args.size() ? given(args[place], tensors) : std::nullopt;
  }
  /// What multiplies x, or is added to it, must not make it larger.
  void require_broadcast(const char* name, const Shape& to, const Shape& x) const {
    bool fits = to.rank() <= x.rank();
    for (std::size_t i = 1; fits && i <= to.rank(); ++i) {
      const std::int64_t size = to.dims()[to.rank() - i], whole = x.dims()[x.rank() - i];
      fits = size == 1 || size == whole || size == kNone || whole == kNone;
    }
    if (fits) return;
    fail("`" + std::string(name) + "` of the shape " + to.str() +
         " does not broadcast to `x` of the shape " + x.str() + ".");
  }
};

/// LayerNorm and RMSNorm.
class OverAxes : public Normalization {
 protected:
  OverAxes(OperationForm form, bool rms, std::initializer_list<std::string_view> options)
      : Normalization(std::move(form), options), rms_(rms), epsilon_(number("epsilon", kEpsilon)) {
    (void)integers("axis");
  }

  [[nodiscard]] std::vector<std::size_t> axes(std::size_t rank) const {
    if (option("axis").is_null() && form().config.contains("axis")) {
      unsupported("an `axis` that is None");
    }
    return axis_indices(integers("axis").value_or(std::vector<std::int64_t>{-1}), rank);
  }
  /// x by its own statistics, in the dtype in which Keras computes.
  [[nodiscard]] ValueId normalized(Builder& builder, ValueId x) const {
    ops::LayerNorm op;
    x = builder.cast(x, promoted(builder.dtype(x), DType::kFloat32));
    op.x = op.y = builder.spec(x);
    op.axes = axes(op.x.shape.rank());
    op.epsilon = epsilon_;
    op.scale = op.center = false;
    op.rms = rms_;
    return builder.emit(std::move(op), {x});
  }

 private:
  bool rms_;
  double epsilon_;
};

class LayerNorm final : public OverAxes {
 public:
  explicit LayerNorm(OperationForm form)
      : OverAxes(std::move(form), false, {"axis", "epsilon", "rms_scaling"}) {
    if (flag("rms_scaling")) unsupported("option 'rms_scaling'");
    check_arguments(1, 3);
  }

 protected:
  void check(const Shapes& x) const override {
    (void)axes(x.at(0).rank());
    for (std::size_t i = 1; i < 3; ++i) {
      const std::optional<Shape> weight = argument(i, x);
      if (weight) require_broadcast(kNames[i], of_axes(*weight, x[0]), x[0]);
    }
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    ValueId y = normalized(builder, x[0]);
    const auto with = [&](std::size_t place, Binary kind) {
      const std::optional<ValueId> weight = argument(place, x);
      if (!weight) return;
      Shape shape = of_axes(builder.shape(*weight), builder.shape(x[0]));
      const ValueId wide = builder.cast(*weight, builder.dtype(y));
      y = builder.binary(kind, y, builder.reshape(wide, std::move(shape)));
    };
    with(1, Binary::kMultiply);
    with(2, Binary::kAdd);
    return builder.cast(y, builder.dtype(x[0]));
  }

 private:
  static constexpr std::array<const char*, 3> kNames{"x", "gamma", "beta"};

  /// A weight as it is where it has as many axes as x, else along the axes.
  [[nodiscard]] Shape of_axes(const Shape& weight, const Shape& x) const {
    if (weight.rank() == x.rank()) return weight;
    Shape sizes, out(std::vector<std::int64_t>(x.rank(), 1));
    for (const std::size_t axis : axes(x.rank())) {
      sizes.push_back(x.dims()[axis]);
      out[static_cast<std::int64_t>(axis)] = x.dims()[axis];
    }
    return weight.is_known() && sizes.is_known() && weight.size() == sizes.size() ? out : weight;
  }
};

class RMSNorm final : public OverAxes {
 public:
  explicit RMSNorm(OperationForm form)
      : OverAxes(with_keywords(std::move(form), {"scale"}), true, {"axis", "epsilon", "scale"}) {
    check_arguments(1, 1);
  }

 protected:
  void check(const Shapes& x) const override {
    (void)axes(x.at(0).rank());
    const std::optional<Shape> scale = given(form().keywords.at("scale"), x);
    if (scale) require_broadcast("scale", *scale, x[0]);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    ValueId y = normalized(builder, x[0]);
    if (const std::optional<ValueId> scale = given(form().keywords.at("scale"), x)) {
      y = builder.binary(Binary::kMultiply, y, builder.cast(*scale, builder.dtype(y)));
    }
    return builder.cast(y, builder.dtype(x[0]));
  }
};

/// By statistics that the call is given.
class BatchNorm final : public Normalization {
 public:
  explicit BatchNorm(OperationForm form)
      : Normalization(std::move(form), {"axis", "epsilon"}),
        axis_(integer("axis", -1)),
        epsilon_(number("epsilon", 1e-3)) {
    if (option("axis").is_null()) unsupported("an `axis` that is None");
    check_arguments(3, 5);
  }

 protected:
  void check(const Shapes& x) const override {
    const Shape wanted{x.at(0).dims()[axis_index(axis_, x[0].rank())]};
    for (std::size_t i = 1; i < kNames.size(); ++i) {
      const std::optional<Shape> found = argument(i, x);
      if (!found) continue;
      const bool known = found->is_known() && wanted.is_known();
      if (found->rank() == 1 && (!known || *found == wanted)) continue;
      fail("Arguments `" + std::string(kNames[i]) +
           "` must be a vector of length `x.shape[axis]`. Expected: `" + wanted.str() +
           "`. Received: `" + found->str() + ".");
    }
  }
  /// x inv + (offset - mean inv), as Keras has it.
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    DType dtype = builder.dtype(x[0]);
    for (const ValueId id : x) dtype = promoted(dtype, builder.dtype(id));
    const Shape in = builder.shape(x[0]);
    Shape along(std::vector<std::int64_t>(in.rank(), 1));
    const std::size_t axis = axis_index(axis_, in.rank());
    along[static_cast<std::int64_t>(axis)] = in.dims()[axis];
    const auto vector = [&](std::size_t place) {
      const std::optional<ValueId> found = argument(place, x);
      if (!found) return found;
      return std::optional(builder.reshape(builder.cast(*found, dtype), along));
    };
    const ValueId variance =
        builder.binary(Binary::kAdd, *vector(2), constant(builder, epsilon_, dtype));
    ValueId inverse = builder.activation(variance, {ops::Unary::kRsqrt});
    if (const auto scale = vector(4)) inverse = builder.binary(Binary::kMultiply, inverse, *scale);
    ValueId rest = builder.activation(builder.binary(Binary::kMultiply, *vector(1), inverse),
                                      {ops::Unary::kScaleShift, -1, 0});
    if (const auto offset = vector(3)) rest = builder.binary(Binary::kAdd, rest, *offset);
    const ValueId y = builder.binary(Binary::kMultiply, builder.cast(x[0], dtype), inverse);
    return builder.cast(builder.binary(Binary::kAdd, y, rest), builder.dtype(x[0]));
  }

 private:
  static constexpr std::array<const char*, 5> kNames{"x", "mean", "variance", "offset", "scale"};

  std::int64_t axis_;
  double epsilon_;
};

}  // namespace

OperationRows normalization_operations() {
  return {operation_row<LayerNorm>("LayerNorm", kNeuralOps),
          operation_row<RMSNorm>("RMSNorm", kNeuralOps),
          operation_row<BatchNorm>("BatchNorm", kNeuralOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::optional_argument;
using layers::tensor_argument;
using nlohmann::json;

namespace {

json or_null(const std::optional<double>& number) {
  return number ? json(*number) : json();
}

}  // namespace

SymbolicTensor layer_normalization(const SymbolicTensor& x, const SymbolicTensor& gamma,
                                   const SymbolicTensor& beta, const layers::Axes& axis,
                                   std::optional<double> epsilon) {
  SymbolicTensors tensors{x};
  json args{tensor_argument(0), optional_argument(tensors, gamma),
            optional_argument(tensors, beta)};
  return layers::call_operation("LayerNorm", tensors,
                                {{"axis", layers::axes_to_config(axis)},
                                 {"epsilon", or_null(epsilon)},
                                 {"rms_scaling", false}},
                                std::move(args));
}
SymbolicTensor rms_normalization(const SymbolicTensor& x, const SymbolicTensor& scale,
                                 const layers::Axes& axis, std::optional<double> epsilon) {
  SymbolicTensors tensors{x};
  json keywords = {{"scale", optional_argument(tensors, scale)}};
  return layers::call_operation(
      "RMSNorm", tensors, {{"axis", layers::axes_to_config(axis)}, {"epsilon", or_null(epsilon)}},
      json::array({tensor_argument(0)}), std::move(keywords));
}
SymbolicTensor batch_normalization(const SymbolicTensor& x, const SymbolicTensor& mean,
                                   const SymbolicTensor& variance, std::int64_t axis,
                                   const SymbolicTensor& offset, const SymbolicTensor& scale,
                                   double epsilon) {
  SymbolicTensors tensors{x, mean, variance};
  json args{tensor_argument(0), tensor_argument(1), tensor_argument(2),
            optional_argument(tensors, offset), optional_argument(tensors, scale)};
  return layers::call_operation("BatchNorm", tensors, {{"axis", axis}, {"epsilon", epsilon}},
                                std::move(args));
}

}  // namespace lamina::ops
