#pragma once
#include <any>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace lamina::training {

/// What a loss, a metric, a schedule or an optimizer was made of.
struct Description {
  std::string_view class_name;  ///< Keras's, a literal: "Adam"
  std::any options;             ///< what its factory was given
  std::string given_name = {};  ///< the name that it was asked for by alone: "mse"; else empty
};

/// What the library's own files know of such objects, and nobody else.
class Descriptions {
 public:
  /// Null for an object of a class that is not Keras's.
  template <class T>
  [[nodiscard]] static const Description* of(const T& object) noexcept {
    return object.description_.get();
  }
  /// For an object that nobody else has yet.
  template <class T>
  static void set(const std::shared_ptr<T>& object, Description description) {
    const auto mine = std::const_pointer_cast<std::remove_const_t<T>>(object);
    mine->description_ = std::make_shared<const Description>(std::move(description));
  }
};

/// The object that a factory has made.
template <class T, class Options>
[[nodiscard]] std::shared_ptr<T> described(std::string_view class_name, Options options,
                                           std::shared_ptr<T> made) {
  Descriptions::set(made, {class_name, std::move(options)});
  return made;
}

}  // namespace lamina::training
