#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lamina::core {

/// Keras's `to_snake_case`: "Conv2DTranspose" -> "conv2d_transpose". UTF-8 in and out; letters
/// beyond ASCII are word characters, and those of Latin-1, Greek and Cyrillic are lowered.
[[nodiscard]] std::string to_snake_case(std::string_view class_name);

/// The names of one container's elements: "dense", "dense_1", ... The counter of a base name grows
/// with every use, and a made name is not held against real ones, exactly as in Keras.
class NameTable {
 public:
  [[nodiscard]] std::string unique(const std::string& base) {
    std::string out;
    append(base, out);
    return out;
  }
  /// The same at the end of `out`.
  void append(const std::string& base, std::string& out);

 private:
  struct Uses {
    std::string base;
    int count = 0;
  };
  Uses& uses_of(const std::string& base) {
    return last_ < uses_.size() && uses_[last_].base == base ? uses_[last_] : look_up(base);
  }
  Uses& look_up(const std::string& base);

  std::unordered_map<std::string, std::size_t> places_;
  std::vector<Uses> uses_;
  std::size_t last_ = 0;  // neighbours often have one base name
};

}  // namespace lamina::core
