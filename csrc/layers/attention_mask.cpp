#include "layers/attention_mask.h"

#include "layers/masks.h"

namespace lamina::layers {
namespace {

/// (targets, sources): `inside` where the reach includes the source, else `outside`.
ValueId reach_values(Builder& builder, const Reach& reach, const ops::TensorSpec& spec,
                     double inside, double outside) {
  const graph::Param param{{}, [reach, spec, inside, outside] {
                             Tensor values = Tensor::empty(spec.shape, DType::kFloat64);
                             const auto elements = values.data<double>();
                             const std::int64_t sources = spec.shape[1];
                             for (std::size_t i = 0; i < elements.size(); ++i) {
                               const auto at = static_cast<std::int64_t>(i);
                               elements[i] =
                                   reach.includes(at / sources, at % sources) ? inside : outside;
                             }
                             return values.cast(spec.dtype);
                           }};
  return builder.emit(ops::ParamValue{spec}, {}, {param});
}

}  // namespace

MaskedScores masked_scores(Builder& builder, ValueId scores, const Reach& reach,
                           const std::vector<ValueId>& masks, const WhereMasked& where) {
  const double addend = where.addend;
  const DType dtype = builder.dtype(scores);
  const ops::TensorSpec places{{builder.shape(scores)[2], builder.shape(scores)[3]}, dtype};
  if (masks.empty()) {
    if (!reach.limited()) return {scores, {}};
    const ValueId addends = reach_values(builder, reach, places, 0, addend);
    return {builder.binary(ops::Binary::kAdd, scores, addends), {}};
  }
  ValueId seen = mask_numbers(builder, masks[0], dtype);
  for (std::size_t i = 1; i < masks.size(); ++i) {
    seen = builder.binary(ops::Binary::kMultiply, seen, mask_numbers(builder, masks[i], dtype));
  }
  if (reach.limited()) {
    seen = builder.binary(ops::Binary::kMultiply, seen, reach_values(builder, reach, places, 1, 0));
  }
  const ValueId addends =
      builder.activation(seen, {ops::Unary::kScaleShift, -addend, addend});  // 0 where seen
  if (where.replaces) scores = builder.binary(ops::Binary::kKeep, scores, seen);
  return {builder.binary(ops::Binary::kAdd, scores, addends), seen};
}

}  // namespace lamina::layers
