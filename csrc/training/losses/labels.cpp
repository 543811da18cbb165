#include "training/losses/labels.h"

#include <fmt/format.h>

#include <algorithm>

namespace lamina::training {
namespace {

Tensor without_last_axis(const Tensor& tensor) {
  return tensor.reshape(without_last(tensor.shape()));
}

Tensor with_last_axis(const Tensor& tensor) {
  Shape shape = tensor.shape();
  shape.push_back(1);
  return tensor.reshape(std::move(shape));
}

/// `longer` has one axis more than `shorter`.
void level(Tensor& longer, Tensor& shorter) {
  if (longer.shape()[-1] != 1) return;
  if (shorter.shape().rank() == 1) {
    shorter = with_last_axis(shorter);
  } else {
    longer = without_last_axis(longer);
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

std::pair<Tensor, Tensor> same_rank(Tensor a, Tensor b) {
  if (a.shape().rank() == b.shape().rank() + 1) {
    level(a, b);
  } else if (b.shape().rank() == a.shape().rank() + 1) {
    level(b, a);
  }
  return {std::move(a), std::move(b)};
}

std::vector<float> row_weights(const Tensor& sample_weight, const Shape& rows) {
  const Tensor weights = sample_weight.cast(DType::kFloat32);
  const auto data = weights.data<float>();
  const auto count = static_cast<std::size_t>(rows.size());
  Shape shape = weights.shape();
  while (shape.rank() > 1 && shape.rank() > rows.rank() && shape[-1] == 1) {
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
