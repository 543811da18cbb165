// Elements in their order, and what is read off them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/axes.h"
#include "layers/masks.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"
#include "layers/operations/reduction.h"

namespace lamina::layers {
namespace {

using ops::Binary;

/// Where along the last axis the elements of it stand that have been sorted.
ValueId argsorted(Builder& builder, ValueId x, bool descending) {
  ops::Argsort op{builder.spec(x), {builder.shape(x), DType::kInt32}, descending};
  return builder.emit(std::move(op), {x});
}

/// Of x's last axis the elements at these places.
ValueId at_places(Builder& builder, ValueId x, ValueId places) {
  const Shape shape = builder.shape(places);
  if (shape.size() == 0) return constant(builder, 0, {shape, builder.dtype(x)});
  const std::int64_t size = builder.shape(x)[-1], lines = builder.shape(x).size() / size;
  std::vector<double> begins;
  for (std::int64_t i = 0; i < lines; ++i) begins.push_back(static_cast<double>(i * size));
  const ValueId rows = builder.binary(
      Binary::kAdd, builder.cast(builder.reshape(places, {lines, shape[-1]}), DType::kInt64),
      numbers(builder, std::move(begins), {{lines, 1}, DType::kInt64}));
  return gathered(builder, x, rows, 1, shape);
}

ValueId sorted(Builder& builder, ValueId x) {
  return at_places(builder, x, argsorted(builder, x, false));
}

/// Sort and Argsort: of one axis, or of all elements in a row.
class Sort final : public Operation {
 public:
  Sort(OperationForm form, bool places)
      : Operation(std::move(form), Operands::kTensor, {"axis"}), places_(places) {
    (void)integer("axis", -1);
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (!flat()) {
      (void)axis_index(integer("axis", -1), x.at(0).rank());
      return x[0];
    }
    return x.at(0).is_known() ? Shape{x[0].size()} : Shape{kNone};
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return places_ ? DType::kInt32 : x.at(0);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape shape = result(builder, x).shape;
    ValueId y = builder.reshape(x[0], shape);
    const std::size_t last = shape.rank() - 1;
    const std::size_t axis = flat() ? 0 : axis_index(integer("axis", -1), shape.rank());
    std::vector<std::size_t> exchange(shape.rank());
    for (std::size_t i = 0; i < exchange.size(); ++i) exchange[i] = i;
    std::swap(exchange[axis], exchange[last]);
    if (axis != last) y = builder.transpose(y, exchange);
    y = places_ ? argsorted(builder, y, false) : sorted(builder, y);
    return axis != last ? builder.transpose(y, exchange) : y;
  }

 private:
  [[nodiscard]] bool flat() const {
    return form().config.contains("axis") && option("axis").is_null();
  }

  bool places_;
};

/// The greatest of the last axis, and their places.
class TopK final : public SeveralOutputs {
 public:
  explicit TopK(OperationForm form)
      : SeveralOutputs(std::move(form), Operands::kTensor, {"k", "sorted"}), k_(integer("k", -1)) {
    (void)flag("sorted");  // they are, either way
    if (k_ < 0) fail("k argument to top_k must be nonnegative, got " + std::to_string(k_));
  }

 protected:
  [[nodiscard]] Shapes shapes(const Shapes& x) const override {
    Shape out = x.at(0);
    if (out.rank() == 0) fail("top_k operand must have >= 1 dimension, got ()");
    if (out[-1] != kNone && k_ > out[-1]) {
      fail("k argument to top_k must be no larger than size along axis; got k=" +
           std::to_string(k_) + " with shape=" + out.str());
    }
    out[-1] = k_;
    return {out, out};
  }
  [[nodiscard]] DTypes dtypes(const DTypes& x) const override { return {x.at(0), DType::kInt32}; }
  [[nodiscard]] Ids lower_all(Builder& builder, const Ids& x) const override {
    (void)shapes({builder.shape(x[0])});
    const std::size_t last = builder.shape(x[0]).rank() - 1;
    const ValueId places = cropped(builder, argsorted(builder, x[0], true), last, 0, k_);
    return {at_places(builder, x[0], places), places};
  }

 private:
  std::int64_t k_;
};

/// Median, Quantile and Percentile: NaN where there is one.
class Quantile final : public Reduction {
 public:
  /// `whole`: the `q` of the last element; 0: there is none, but half of the elements lie below.
  Quantile(OperationForm form, float whole)
      : Reduction(std::move(form), {"axis", "keepdims", "method"},
                  whole == 0 ? Operands::kTensor : Operands::kOthers) {
    if (whole == 0) return;
    const nlohmann::json& args = this->form().args;
    if (args.size() != 2 || !is_tensor_argument(args[0])) unsupported("what it is called with");
    if (!args[1].is_number()) unsupported("`q` that is no number");
    q_ = args[1].get<float>() / whole;
    if (!(*q_ >= 0 && *q_ <= 1)) {
      fail(whole == 1 ? "Quantiles must be in the range [0, 1]"
                      : "Percentiles must be in the range [0, 100]");
    }
    const nlohmann::json& method = option("method");
    if (!method.is_null() && method != "linear") unsupported("a `method` other than 'linear'");
  }

 protected:
  [[nodiscard]] DType dtype(const DTypes& x) const override { return promoted_with_float(x.at(0)); }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    const ColumnView view(builder, builder.cast(x[0], to.dtype),
                          kept_axes(builder.shape(x[0]).rank()));
    const std::int64_t size = builder.shape(view.value())[0];
    if (size == 0) fail("attempt to find a quantile of an empty axis.");
    const ValueId all = sorted(builder, builder.transpose(view.value(), {1, 0}));
    const auto at = [&](std::int64_t place) { return cropped(builder, all, 1, place, 1); };
    const ValueId y = q_ ? between(builder, at, static_cast<float>(size - 1) * *q_)
                         : middle(builder, at((size - 1) / 2), at(size / 2));
    const ValueId last = at(size - 1);
    const ValueId is_number = builder.binary(Binary::kEqual, last, last);
    const ValueId is_nan =
        builder.binary(Binary::kEqual, is_number, constant(builder, 0, to.dtype));
    // 0 that is subtracted leaves a 0 of either sign as it is.
    return builder.reshape(
        builder.binary(Binary::kSubtract, builder.cast(y, to.dtype), kept(builder, last, is_nan)),
        to.shape);
  }

 private:
  [[nodiscard]] static ValueId middle(Builder& builder, ValueId low, ValueId high) {
    return builder.activation(builder.binary(Binary::kAdd, low, high),
                              {ops::Unary::kScaleShift, 0.5, -0.0});
  }
  /// What lies at `place`, which Keras computes in float32.
  template <class At>
  [[nodiscard]] static ValueId between(Builder& builder, const At& at, float place) {
    const float low = std::floor(place), weight = place - low;
    const auto part = [&](float from, float share) {
      const ValueId x = at(static_cast<std::int64_t>(from));
      return builder.activation(builder.cast(x, promoted(builder.dtype(x), DType::kFloat32)),
                                {ops::Unary::kScaleShift, static_cast<double>(share), -0.0});
    };
    return builder.binary(Binary::kAdd, part(low, 1 - weight), part(std::ceil(place), weight));
  }

  std::optional<float> q_;
};

}  // namespace

OperationRows sorting_operations() {
  return {operation_row<Sort>("Sort", kNumpyOps, false),
          operation_row<Sort>("Argsort", kNumpyOps, true),
          operation_row<TopK>("TopK", kMathOps),
          operation_row<Quantile>("Median", kNumpyOps, 0.0f),
          operation_row<Quantile>("Quantile", kNumpyOps, 1.0f),
          operation_row<Quantile>("Percentile", kNumpyOps, 100.0f)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

using nlohmann::json;

json axis_config(const std::optional<std::int64_t>& axis) {
  return {{"axis", axis ? json(*axis) : json()}};
}

}  // namespace

SymbolicTensor sort(const SymbolicTensor& x, std::optional<std::int64_t> axis) {
  return layers::call_operation("Sort", x, axis_config(axis));
}
SymbolicTensor argsort(const SymbolicTensor& x, std::optional<std::int64_t> axis) {
  return layers::call_operation("Argsort", x, axis_config(axis));
}
SymbolicTensors top_k(const SymbolicTensor& x, std::int64_t k, bool sorted) {
  return layers::call_for_list("TopK", x, {{"k", k}, {"sorted", sorted}});
}
SymbolicTensor median(const SymbolicTensor& x, const ReducedAxes& axis, bool keepdims) {
  return layers::call_operation("Median", x, layers::reduction_config(axis, keepdims));
}

namespace {

SymbolicTensor quantile_of(std::string_view class_name, const SymbolicTensor& x, double q,
                           const ReducedAxes& axis, bool keepdims) {
  json config = layers::reduction_config(axis, keepdims);
  config["method"] = "linear";
  return layers::call_operation(class_name, SymbolicTensors{x}, std::move(config),
                                json::array({layers::tensor_argument(0), q}));
}

}  // namespace

SymbolicTensor quantile(const SymbolicTensor& x, double q, const ReducedAxes& axis, bool keepdims) {
  return quantile_of("Quantile", x, q, axis, keepdims);
}
SymbolicTensor percentile(const SymbolicTensor& x, double q, const ReducedAxes& axis,
                          bool keepdims) {
  return quantile_of("Percentile", x, q, axis, keepdims);
}

}  // namespace lamina::ops
