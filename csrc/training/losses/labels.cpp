#include "training/losses/labels.h"

#include <fmt/format.h>

#include <algorithm>

namespace lamina::training {
namespace {

/// `longer` has one axis more than `shorter`.
void level(Shape& longer, Shape& shorter) {
  if (longer[-1] != 1) return;
  if (shorter.rank() == 1) {
    shorter.push_back(1);
  } else {
    longer = without_last(longer);
  }
}

std::string label_message(const std::string& loss, float label, const std::string& place,
                          std::int64_t classes) {
  return fmt::format(
      "Loss '{}': the label {} {} is out of range: expected integers in [0, {}), since the "
      "predictions have {} classes.",
      loss, label, place, classes, classes);
}

}  // namespace

LabelError::LabelError(std::string loss, float label, std::size_t position, std::int64_t classes)
    : ValueError(label_message(loss, label, fmt::format("at position {}", position), classes)),
      loss_(std::move(loss)),
      label_(label),
      position_(position),
      classes_(classes) {}

std::string LabelError::message(const std::string& place) const {
  return label_message(loss_, label_, place, classes_);
}

Shape without_last(const Shape& shape) {
  std::vector<std::int64_t> dims = shape.dims();
  if (!dims.empty()) dims.pop_back();
  return Shape(std::move(dims));
}

std::pair<Shape, Shape> same_rank(Shape a, Shape b) {
  if (a.rank() == b.rank() + 1) {
    level(a, b);
  } else if (b.rank() == a.rank() + 1) {
    level(b, a);
  }
  return {std::move(a), std::move(b)};
}

std::pair<Tensor, Tensor> same_rank(const Tensor& a, const Tensor& b) {
  const auto [of_a, of_b] = same_rank(a.shape(), b.shape());
  return {of_a == a.shape() ? a : a.reshape(of_a), of_b == b.shape() ? b : b.reshape(of_b)};
}

std::vector<float> row_weights(const Tensor& sample_weight, const Shape& rows) {
  const Tensor weights = sample_weight.cast(DType::kFloat32);
  const auto data = weights.data<float>();
  const auto count = static_cast<std::size_t>(rows.size());
  Shape shape = weights.shape();
  const std::size_t least = rows.rank() == 0 ? 0 : 1;
  while (shape.rank() > least && shape.rank() > rows.rank() && shape[-1] == 1) {
    shape = without_last(shape);
  }
  if (shape == rows) return {data.begin(), data.end()};
  const bool by_sample =
      shape.rank() >= 1 && rows.rank() >= 1 && shape[0] == rows[0] && shape.size() == rows[0];
  if (!by_sample) {
    throw ValueError("`sample_weight` of shape " + sample_weight.shape().str() +
                     " does not fit losses of shape " + rows.str() +
                     ": expected that shape, or one weight a sample.");
  }
  std::vector<float> out(count);
  const std::size_t each = data.empty() ? 1 : count / data.size();
  for (std::size_t i = 0; i < count; ++i) out[i] = data[i / each];
  return out;
}

}  // namespace lamina::training
