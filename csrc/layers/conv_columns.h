#pragma once
#include <cstdint>

#include "graph/builder.h"

// Convolutions over three axes as such over two. Rows are images beside each other in the batch, of
// a depth and a height, one for each column; what a kernel has along the columns lies beside each
// other along the channels. So a kernel (depth, rows, columns, in, out) is, byte for byte, one of
// the shape (depth, rows, columns * in, out).
namespace lamina::layers {

/// How windows lie along the columns.
struct ColumnWindows {
  std::int64_t count = 0;   ///< how many there are
  std::int64_t size = 1;    ///< columns of the kernel
  std::int64_t stride = 1;  ///< or `dilation`, one of which is 1
  std::int64_t dilation = 1;
  /// Columns before the first, which count as zeros, as those behind the last do.
  std::int64_t before = 0;
};

/// (batch, depth, rows, columns, channels) -> (batch * columns, depth, rows, channels).
[[nodiscard]] graph::ValueId columns_to_batch(graph::Builder& builder, graph::ValueId x);
/// And back, where there are `columns` of them.
[[nodiscard]] graph::ValueId columns_from_batch(graph::Builder& builder, graph::ValueId y,
                                                std::int64_t columns);

/// (batch, depth, rows, columns, channels) -> (batch * count, depth, rows, size * channels): what
/// each window reads, column after column within each of the `groups` of channels.
[[nodiscard]] graph::ValueId gathered_windows(graph::Builder& builder, graph::ValueId x,
                                              const ColumnWindows& windows, std::int64_t groups);

/// The reverse, adding up where windows overlap: (batch * count, depth, rows, size * channels) ->
/// (batch * columns, depth, rows, channels).
[[nodiscard]] graph::ValueId scattered_windows(graph::Builder& builder, graph::ValueId y,
                                               const ColumnWindows& windows, std::int64_t columns);

}  // namespace lamina::layers
