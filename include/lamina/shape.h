#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace lamina {

/// A dimension that is not known until data arrives (Keras's None), most often the batch.
inline constexpr std::int64_t kNone = -1;

/// Dimensions, outermost first (row-major). An empty Shape is a scalar.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<std::int64_t> dims) : dims_(std::move(dims)) {}

  [[nodiscard]] std::size_t rank() const noexcept { return dims_.size(); }
  /// Dimension `axis`; negative counts from the end. Throws ValueError when out of range.
  [[nodiscard]] std::int64_t operator[](std::int64_t axis) const { return dims_[index(axis)]; }
  [[nodiscard]] std::int64_t& operator[](std::int64_t axis) { return dims_[index(axis)]; }
  [[nodiscard]] const std::vector<std::int64_t>& dims() const noexcept { return dims_; }
  [[nodiscard]] auto begin() const noexcept { return dims_.begin(); }
  [[nodiscard]] auto end() const noexcept { return dims_.end(); }
  void push_back(std::int64_t dim) { dims_.push_back(dim); }

  /// True when no dimension is kNone.
  [[nodiscard]] bool is_known() const noexcept;
  /// Number of elements. Throws ValueError when a dimension is unknown or the product overflows.
  [[nodiscard]] std::int64_t size() const;
  /// As Python prints a tuple: "(None, 4)", "(4,)", "()".
  [[nodiscard]] std::string str() const;
  /// `axis` made non-negative. Throws ValueError when out of range.
  [[nodiscard]] std::size_t index(std::int64_t axis) const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::vector<std::int64_t> dims_;
};

}  // namespace lamina
