#pragma once
#include <lamina/layer.h>

#include <string>
#include <string_view>

namespace lamina::layers {

/// The next automatic name for a class: "dense", then "dense_1", ... Counters are global, as
/// Keras's; `clear_session` forgets them.
[[nodiscard]] std::string auto_name(std::string_view class_name);

/// The layer in messages: "Layer 'd' (Dense)".
[[nodiscard]] std::string in_words(const Layer& layer);

}  // namespace lamina::layers
