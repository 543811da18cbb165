#pragma once
#include <lamina/shape.h>

#include <optional>
#include <string>

#include "graph/builder.h"

// Images (batch, height, width, channels) of which each place is taken from another one.
namespace lamina::layers {

/// Where from along an axis: scale * (the place along it) + shear * (that along the other) +
/// offset; float32, (batch, 1, 1, 1). Without a scale: 1, without a shear: 0.
struct AffineAxis {
  std::optional<graph::ValueId> scale, shear;
  graph::ValueId offset;
};

/// What is taken between places, and outside.
struct Sampling {
  bool bilinear = true;
  std::string fill_mode = "reflect";
  double fill_value = 0;
};

/// What images have at rows and columns, which are floating, each on its axis, and broadcast to
/// (batch, height, width, 1) of the result. No gradient goes to these.
[[nodiscard]] graph::ValueId pixels_at(graph::Builder& builder, graph::ValueId images,
                                       graph::ValueId rows, graph::ValueId columns);

/// By the rules of jax.scipy.ndimage.map_coordinates. No gradient goes to the axes.
[[nodiscard]] graph::ValueId affine_transform(graph::Builder& builder, graph::ValueId images,
                                              const AffineAxis& rows, const AffineAxis& columns,
                                              const Sampling& sampling);

}  // namespace lamina::layers
