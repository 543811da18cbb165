#pragma once

namespace lamina::layers {

/// A layer that a struct of options describes.
template <class Options>
class Described {
 public:
  Described() = default;
  Described(const Described&) = delete;
  Described& operator=(const Described&) = delete;
  virtual ~Described() = default;

  /// Those with which one like it, as it is now, is made.
  [[nodiscard]] virtual Options current_options() const = 0;
};

}  // namespace lamina::layers
