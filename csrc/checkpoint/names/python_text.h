#pragma once
#include <span>
#include <string>
#include <string_view>

namespace lamina::checkpoint {

/// A float as Python prints it: "304.0", "0.375", "1e+16".
[[nodiscard]] std::string python_float(double value);

/// A JSON string as Python's json.dumps writes it: quoted, ASCII only; bytes that are no UTF-8
/// become the lone surrogates by which Python stands for them in file names.
[[nodiscard]] std::string python_json_string(std::string_view text);

/// "['kernel', 'bias']".
[[nodiscard]] std::string python_list(std::span<const std::string> items);

}  // namespace lamina::checkpoint
