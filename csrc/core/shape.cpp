#include <lamina/error.h>
#include <lamina/shape.h>

#include <algorithm>

namespace lamina {

bool Shape::is_known() const noexcept {
  return std::none_of(dims_.begin(), dims_.end(), [](std::int64_t d) { return d < 0; });
}

std::int64_t Shape::size() const {
  std::int64_t total = 1;
  bool empty = false;
  for (std::int64_t d : dims_) {
    if (d < 0) throw ValueError("The shape " + str() + " has an unknown dimension.");
    if (d == 0) empty = true;
    if (!empty && __builtin_mul_overflow(total, d, &total)) {
      throw ValueError("The shape " + str() + " holds more elements than can be counted.");
    }
  }
  return empty ? 0 : total;
}

std::string Shape::str() const {
  std::string text = "(";
  for (std::size_t i = 0; i < dims_.size(); ++i) {
    if (i != 0) text += ", ";
    text += dims_[i] == kNone ? "None" : std::to_string(dims_[i]);
  }
  if (dims_.size() == 1) text += ',';
  return text + ")";
}

std::size_t Shape::index(std::int64_t axis) const {
  const auto rank = static_cast<std::int64_t>(dims_.size());
  if (axis < -rank || axis >= rank) {
    throw ValueError("Axis " + std::to_string(axis) + " is out of range for the shape " + str() +
                     ".");
  }
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

}  // namespace lamina
