#pragma once
#include <string>
#include <string_view>

namespace lamina::layers {

/// The next automatic name for a class: "dense", then "dense_1", ... Counters are global, as
/// Keras's; `clear_session` forgets them.
[[nodiscard]] std::string auto_name(std::string_view class_name);

}  // namespace lamina::layers
