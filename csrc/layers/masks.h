#pragma once
#include <vector>

#include "graph/builder.h"

// Masks as values: bool, true where there is something. What is said of them elementwise is so of
// shapes that broadcast.
namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

/// Where x is not `value`, rounded to x's dtype.
[[nodiscard]] ValueId not_equal(Builder& builder, ValueId x, double value);
[[nodiscard]] ValueId logical_not(Builder& builder, ValueId mask);
[[nodiscard]] ValueId logical_and(Builder& builder, ValueId a, ValueId b);
[[nodiscard]] ValueId logical_or(Builder& builder, ValueId a, ValueId b);
/// Whether anything is true along `axes` (sorted), which keep the size 1 or go.
[[nodiscard]] ValueId any(Builder& builder, ValueId mask, std::vector<std::size_t> axes,
                          bool keepdims);
/// All true or all false.
[[nodiscard]] ValueId constant_mask(Builder& builder, const Shape& shape, bool value);
/// The mask with an axis of size 1 before axis `axis` (behind the last one: its rank).
[[nodiscard]] ValueId expand_dims(Builder& builder, ValueId mask, std::size_t axis);

/// 1 where the mask is not 0 (a bool one: true), else 0.
[[nodiscard]] ValueId mask_numbers(Builder& builder, ValueId mask, DType dtype);
/// x where the mask is not 0, else 0, whatever x is there.
[[nodiscard]] ValueId kept(Builder& builder, ValueId x, ValueId mask);
/// x, floating, where the mask is not 0, else `other`.
[[nodiscard]] ValueId where(Builder& builder, ValueId mask, ValueId x, double other);

}  // namespace lamina::layers
