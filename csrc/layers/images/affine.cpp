#include "layers/images/affine.h"

#include <vector>

#include "core/compute_dtype.h"
#include "layers/axes.h"
#include "layers/masks.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using ops::Binary;
using ops::Unary;

ValueId scale_shift(Builder& builder, ValueId x, double scale, double shift) {
  return builder.activation(x, {Unary::kScaleShift, scale, shift});
}

ValueId modulo(Builder& builder, ValueId x, double divisor) {
  return builder.binary(Binary::kMod, x, constant(builder, divisor, builder.dtype(x)));
}

/// Half away from 0.
ValueId rounded_away(Builder& builder, ValueId x) {
  const ValueId size = builder.activation(x, {Unary::kAbsolute});
  const ValueId lower = builder.activation(size, {Unary::kFloor});
  const ValueId rest = builder.binary(Binary::kSubtract, size, lower);
  const ValueId up =
      builder.binary(Binary::kGreaterEqual, rest, constant(builder, 0.5, builder.dtype(x)));
  return builder.binary(Binary::kMultiply, builder.binary(Binary::kAdd, lower, up),
                        builder.activation(x, {Unary::kSign}));
}

/// A place along an axis, all of it float32.
struct Tap {
  ValueId index;  ///< on the axis
  std::optional<ValueId> inside, weight;
};

/// Along one axis, for all places of the result.
class AxisTaps {
 public:
  AxisTaps(Builder& builder, const Sampling& sampling, std::int64_t size)
      : builder_(builder), sampling_(sampling), size_(static_cast<double>(size)) {}

  [[nodiscard]] std::vector<Tap> of(ValueId coordinates) const {
    if (!sampling_.bilinear) return {tap(rounded_away(builder_, coordinates), {})};
    const ValueId lower = builder_.activation(coordinates, {Unary::kFloor});
    const ValueId rest = builder_.binary(Binary::kSubtract, coordinates, lower);
    return {tap(lower, scale_shift(builder_, rest, -1, 1)),
            tap(scale_shift(builder_, lower, 1, 1), rest)};
  }

 private:
  [[nodiscard]] Tap tap(ValueId index, std::optional<ValueId> weight) const {
    const std::string& mode = sampling_.fill_mode;
    if (mode == "wrap") return {modulo(builder_, index, size_), {}, weight};
    if (mode == "reflect") return {reflected(index), {}, weight};
    const ValueId nearest = clipped(index);
    if (mode == "nearest") return {nearest, {}, weight};
    return {nearest, builder_.binary(Binary::kEqual, index, nearest), weight};
  }
  [[nodiscard]] ValueId clipped(ValueId index) const {
    return builder_.binary(Binary::kMinimum, builder_.binary(Binary::kMaximum, index, bound(0)),
                           bound(size_ - 1));
  }
  /// There and back again: twice the index and 1 is an odd number of a wave of period 4 * size.
  [[nodiscard]] ValueId reflected(ValueId index) const {
    const ValueId turned =
        modulo(builder_, scale_shift(builder_, index, 2, 1 + 2 * size_), 4 * size_);
    const ValueId wave =
        builder_.activation(scale_shift(builder_, turned, 1, -2 * size_), {Unary::kAbsolute});
    return scale_shift(builder_, wave, 0.5, -0.5);
  }
  [[nodiscard]] ValueId bound(double value) const {
    return constant(builder_, value, DType::kFloat32);
  }

  Builder& builder_;
  const Sampling& sampling_;
  double size_;
};

/// (batch, height or 1, width or 1, 1): with a shear both.
ValueId coordinates(Builder& builder, const AffineAxis& axis, const Shape& images,
                    std::size_t along) {
  const std::size_t other = 3 - along;
  ValueId own = counted(builder, images.dims()[along], along, 4, DType::kFloat32);
  if (axis.scale) own = builder.binary(Binary::kMultiply, own, *axis.scale);
  if (axis.shear) {
    const ValueId across = counted(builder, images.dims()[other], other, 4, DType::kFloat32);
    own = builder.binary(Binary::kAdd, own, builder.binary(Binary::kMultiply, across, *axis.shear));
  }
  return builder.binary(Binary::kAdd, own, axis.offset);
}

ValueId product(Builder& builder, const std::optional<ValueId>& a,
                const std::optional<ValueId>& b) {
  return builder.binary(Binary::kMultiply, a.value(), b.value());
}

}  // namespace

// A row of the table is a pixel.
ValueId pixels_at(Builder& builder, ValueId images, ValueId rows, ValueId columns) {
  const Shape shape = builder.shape(images);
  const std::int64_t in_image = shape[1] * shape[2], all = shape[0] * in_image;
  const DType exact = all < std::int64_t{1} << 24 ? DType::kFloat32 : DType::kFloat64;
  std::vector<double> firsts;
  for (std::int64_t i = 0; i < shape[0]; ++i) firsts.push_back(static_cast<double>(i * in_image));
  const ValueId of_image = numbers(builder, std::move(firsts), {{shape[0], 1, 1, 1}, exact});
  const ValueId of_row =
      scale_shift(builder, builder.cast(rows, exact), static_cast<double>(shape[2]), 0);
  const ValueId begin = builder.binary(Binary::kAdd, of_row, of_image);
  const ValueId place = builder.binary(Binary::kAdd, begin, builder.cast(columns, exact));
  const Shape result = builder.shape(place);
  const ValueId ids = builder.reshape(place, {result[0], result[1], result[2]});
  ops::Gather op;
  op.ids = builder.spec(ids);
  op.y = {{result[0], result[1], result[2], shape[3]}, builder.dtype(images)};
  op.rows = all;
  op.flows = true;
  const ValueId table = builder.reshape(images, op.table().shape);
  return builder.emit(std::move(op), {ids, table});
}

ValueId affine_transform(Builder& builder, ValueId images, const AffineAxis& rows,
                         const AffineAxis& columns, const Sampling& sampling) {
  const ops::TensorSpec spec = builder.spec(images);
  const DType wide = core::compute_dtype(spec.dtype);
  const double fill = layers::rounded({sampling.fill_value}, spec.dtype)[0];
  const auto taps = [&](const AffineAxis& axis, std::size_t along) {
    const ValueId from = coordinates(builder, axis, spec.shape, along);
    return AxisTaps(builder, sampling, spec.shape.dims()[along]).of(from);
  };
  const std::vector<Tap> down = taps(rows, 1), across = taps(columns, 2);
  std::optional<ValueId> sum;
  for (const Tap& row : down) {
    for (const Tap& column : across) {
      ValueId y = builder.cast(pixels_at(builder, images, row.index, column.index), wide);
      if (row.inside) y = where(builder, product(builder, row.inside, column.inside), y, fill);
      if (row.weight) {
        const ValueId weight = product(builder, row.weight, column.weight);
        y = builder.binary(Binary::kMultiply, y, builder.cast(weight, wide));
      }
      sum = sum ? builder.binary(Binary::kAdd, *sum, y) : y;
    }
  }
  return builder.cast(*sum, spec.dtype);
}

}  // namespace lamina::layers
