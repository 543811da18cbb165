#pragma once
#include <lamina/layers/types.h>

#include <optional>
#include <string_view>

#include "graph/builder.h"

// Images of other sizes, (batch, height, width, channels).
namespace lamina::layers {

/// By its name in Keras; nothing for one that there is not.
[[nodiscard]] std::optional<ops::Resize2D::Kind> interpolation_kind(std::string_view name);

/// Floating images, resized.
[[nodiscard]] graph::ValueId resized(graph::Builder& builder, graph::ValueId images, IntPair size,
                                     ops::Resize2D::Kind kind, bool antialias = false);

/// The height and the width of the largest window within images of `shape` that has the ratio of
/// `size`.
[[nodiscard]] IntPair window_of_ratio(const Shape& shape, IntPair size);
/// The one in the middle of images.
[[nodiscard]] graph::ValueId cropped_to_ratio(graph::Builder& builder, graph::ValueId images,
                                              IntPair size);
/// Images between two bars of `value` that give them the ratio of `size`, or nearly: both bars are
/// of whole pixels, and alike.
[[nodiscard]] graph::ValueId padded_to_ratio(graph::Builder& builder, graph::ValueId images,
                                             IntPair size, double value);

}  // namespace lamina::layers
