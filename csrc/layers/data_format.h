#pragma once
#include <string_view>

#include "graph/builder.h"

namespace lamina::layers {

inline constexpr std::string_view kChannelsFirst = "channels_first";

/// Throws ValueError, in Keras's words, for what is neither "channels_last" nor "channels_first".
void check_data_format(std::string_view data_format);

/// (batch, channels, ...) -> (batch, ..., channels), and back.
[[nodiscard]] graph::ValueId to_channels_last(graph::Builder& builder, graph::ValueId x);
[[nodiscard]] graph::ValueId to_channels_first(graph::Builder& builder, graph::ValueId x);

}  // namespace lamina::layers
