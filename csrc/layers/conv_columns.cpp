#include "layers/conv_columns.h"

#include <optional>
#include <utility>
#include <vector>

#include "layers/operations/parts.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

namespace {

/// Pieces of one shape joined along `axis`.
ValueId joined(Builder& builder, std::vector<ValueId> pieces, std::size_t axis) {
  if (pieces.size() == 1) return pieces[0];
  ops::Concat op;
  op.xs.assign(pieces.size(), builder.spec(pieces[0]));
  op.y = op.xs[0];
  op.y.shape[static_cast<std::int64_t>(axis)] *= static_cast<std::int64_t>(pieces.size());
  op.axis = axis;
  return builder.emit(std::move(op), std::move(pieces));
}

/// Windows that lie side by side: only the order of the elements changes.
ValueId side_by_side(Builder& builder, ValueId x, const ColumnWindows& windows,
                     std::int64_t groups) {
  x = cropped(builder, x, 3, -windows.before, windows.count * windows.size);
  const Shape in = builder.shape(x);
  x = builder.reshape(x,
                      {in[0], in[1], in[2], windows.count, windows.size, groups, in[4] / groups});
  x = builder.transpose(x, {0, 3, 1, 2, 5, 4, 6});
  return builder.reshape(x, {in[0] * windows.count, in[1], in[2], windows.size * in[4]});
}

}  // namespace

ValueId columns_to_batch(Builder& builder, ValueId x) {
  const Shape in = builder.shape(x);
  x = builder.transpose(x, {0, 3, 1, 2, 4});
  return builder.reshape(x, {in[0] * in[3], in[1], in[2], in[4]});
}

ValueId columns_from_batch(Builder& builder, ValueId y, std::int64_t columns) {
  const Shape in = builder.shape(y);
  y = builder.reshape(y, {in[0] / columns, columns, in[1], in[2], in[3]});
  return builder.transpose(y, {0, 2, 3, 1, 4});
}

ValueId gathered_windows(Builder& builder, ValueId x, const ColumnWindows& windows,
                         std::int64_t groups) {
  const auto& [count, size, stride, dilation, before] = windows;
  if (size == stride && size > 1) return side_by_side(builder, x, windows, groups);
  // Columns before depth and rows, so that what is cut out lies together; `stride` of them in a
  // block, of which the window at column k of the kernel begins in the same place.
  const std::int64_t blocks = count + (size - 1) * dilation / stride;
  x = cropped(builder, builder.transpose(x, {0, 3, 1, 2, 4}), 1, -before, blocks * stride);
  const Shape in = builder.shape(x);
  x = builder.reshape(x, {in[0], blocks, stride, in[2], in[3], groups, in[4] / groups});
  std::vector<ValueId> pieces;
  for (std::int64_t k = 0; k < size; ++k) {
    const std::int64_t at = k * dilation;
    const ValueId piece =
        cropped(builder, cropped(builder, x, 2, at % stride, 1), 1, at / stride, count);
    pieces.push_back(builder.reshape(piece, {in[0], count, in[2], in[3], groups, in[4] / groups}));
  }
  return builder.reshape(joined(builder, std::move(pieces), 5),
                         {in[0] * count, in[2], in[3], size * in[4]});
}

ValueId scattered_windows(Builder& builder, ValueId y, const ColumnWindows& windows,
                          std::int64_t columns) {
  const auto& [count, size, stride, dilation, before] = windows;
  const Shape in = builder.shape(y);
  const std::int64_t batch = in[0] / count, channels = in[3] / size;
  y = builder.reshape(y, {batch, count, in[1], in[2], size, channels});
  std::optional<ValueId> sum;
  // As many of the kernel's columns as do not overlap, at a time.
  for (std::int64_t k = 0; k < size; k += stride) {
    ValueId part = builder.transpose(cropped(builder, y, 4, k, stride), {0, 1, 4, 2, 3, 5});
    part = builder.reshape(part, {batch, count * stride, in[1], in[2], channels});
    part = cropped(builder, part, 1, before - k * dilation, columns);
    sum = sum ? builder.binary(ops::Binary::kAdd, *sum, part) : part;
  }
  return builder.reshape(*sum, {batch * columns, in[1], in[2], channels});
}

}  // namespace lamina::layers
