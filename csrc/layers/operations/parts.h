#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/builder.h"

// What operations are made of that move elements, or count them.
namespace lamina::layers {

/// Numbers that never change.
[[nodiscard]] graph::ValueId numbers(graph::Builder& builder, std::vector<double> values,
                                     const ops::TensorSpec& spec);
/// 0, 1, ... along one axis of `rank` axes, the others being of size 1.
[[nodiscard]] graph::ValueId counted(graph::Builder& builder, std::int64_t count, std::size_t axis,
                                     std::size_t rank, DType dtype);

/// -x, of which 0 has another sign than x's.
[[nodiscard]] graph::ValueId negated(graph::Builder& builder, graph::ValueId x);
/// 1 where x, floating, is neither infinite nor NaN, else 0.
[[nodiscard]] graph::ValueId finite(graph::Builder& builder, graph::ValueId x);
/// x repeated to the shape, to which it broadcasts.
[[nodiscard]] graph::ValueId repeated_to(graph::Builder& builder, graph::ValueId x,
                                         const Shape& shape);

/// x without what lies before and behind `begin` .. `begin + size` of an axis; what lies behind the
/// end is zeros.
[[nodiscard]] graph::ValueId cropped(graph::Builder& builder, graph::ValueId x, std::size_t axis,
                                     std::int64_t begin, std::int64_t size);
/// Rows of x seen as a table, each of `width` elements, under `shape`; what is no row of it is
/// refused when the model runs.
[[nodiscard]] graph::ValueId gathered(graph::Builder& builder, graph::ValueId x,
                                      graph::ValueId rows, std::int64_t width, Shape shape);
/// The elements of an axis that have these indices, each of which it has.
[[nodiscard]] graph::ValueId chosen(graph::Builder& builder, graph::ValueId x, std::size_t axis,
                                    const std::vector<std::int64_t>& indices);
[[nodiscard]] graph::ValueId flipped(graph::Builder& builder, graph::ValueId x, std::size_t axis);

/// An axis as the middle one of three.
struct Around {
  std::int64_t before = 1, size = 1, behind = 1;
  Around(const Shape& shape, std::size_t axis);
};

}  // namespace lamina::layers
