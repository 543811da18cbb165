#include "layers/images/resize.h"

#include <algorithm>

#include "layers/operations/parts.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;
using Kind = ops::Resize2D::Kind;

std::optional<Kind> interpolation_kind(std::string_view name) {
  if (name == "nearest") return Kind::kNearest;
  if (name == "bilinear") return Kind::kBilinear;
  if (name == "bicubic") return Kind::kBicubic;
  if (name == "lanczos3") return Kind::kLanczos3;
  if (name == "lanczos5") return Kind::kLanczos5;
  return std::nullopt;
}

ValueId resized(Builder& builder, ValueId images, IntPair size, Kind kind, bool antialias) {
  ops::Resize2D op;
  op.kind = kind;
  op.antialias = antialias;
  op.x = builder.spec(images);
  op.y = op.x;
  op.y.shape[1] = size.first;
  op.y.shape[2] = size.second;
  return op.x == op.y ? images : builder.emit(std::move(op), {images});
}

IntPair window_of_ratio(const Shape& shape, IntPair size) {
  const std::int64_t height = shape[1], width = shape[2];
  const auto within = [](std::int64_t wanted, std::int64_t most) {
    return std::max<std::int64_t>(std::min(wanted, most), 1);
  };
  return {within(width * size.first / size.second, height),
          within(height * size.second / size.first, width)};
}

ValueId cropped_to_ratio(Builder& builder, ValueId images, IntPair size) {
  const Shape& shape = builder.shape(images);
  const std::int64_t height = shape[1], width = shape[2];
  const auto [rows, columns] = window_of_ratio(shape, size);
  const ValueId cut = cropped(builder, images, 1, (height - rows) / 2, rows);
  return cropped(builder, cut, 2, (width - columns) / 2, columns);
}

ValueId padded_to_ratio(Builder& builder, ValueId images, IntPair size, double value) {
  const Shape& shape = builder.shape(images);
  const std::int64_t height = shape[1], width = shape[2];
  const std::int64_t above = (std::max(height, width * size.first / size.second) - height) / 2;
  // Never both.
  const std::int64_t beside =
      above > 0 ? 0 : (std::max(width, height * size.second / size.first) - width) / 2;
  if (above == 0 && beside == 0) return images;
  ops::Pad op;
  op.x = op.y = builder.spec(images);
  op.before = op.after = {0, above, beside, 0};
  op.y.shape[1] += 2 * above;
  op.y.shape[2] += 2 * beside;
  op.value = value;
  return builder.emit(std::move(op), {images});
}

}  // namespace lamina::layers
