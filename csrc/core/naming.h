#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

namespace lamina {

/// Keras's `to_snake_case`: "Conv2DTranspose" -> "conv2d_transpose" (keras_format.md 2.4). UTF-8 in
/// and out; letters beyond ASCII are word characters, and those of Latin-1, Greek and Cyrillic are
/// lowered.
[[nodiscard]] std::string to_snake_case(std::string_view class_name);

/// The names of one container's elements: "dense", "dense_1", ... The counter of a base name grows
/// with every use, and a made name is not held against real ones, exactly as in Keras.
class NameTable {
 public:
  [[nodiscard]] std::string unique(const std::string& base) {
    const int uses = uses_[base]++;
    if (uses == 0) return base;
    const std::string number = std::to_string(uses);
    std::string out;
    out.reserve(base.size() + 1 + number.size());
    return out.append(base).append(1, '_').append(number);
  }

 private:
  std::unordered_map<std::string, int> uses_;
};

}  // namespace lamina
