// The mean that metrics gather.
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/metrics.h>

#include <numeric>
#include <span>
#include <utility>

#include "training/losses/labels.h"

namespace lamina::metrics {
namespace {

/// Whether `from` broadcasts to `to`, of the same rank.
bool broadcasts(const Shape& from, const Shape& to) {
  if (from.rank() != to.rank()) return false;
  for (std::size_t axis = 0; axis < to.rank(); ++axis) {
    if (from.dims()[axis] != 1 && from.dims()[axis] != to.dims()[axis]) return false;
  }
  return true;
}

std::vector<float> broadcast(const Tensor& tensor, const Shape& shape) {
  const Tensor floats = tensor.cast(DType::kFloat32);
  const std::span<const float> data = floats.data<float>();
  std::vector<float> out(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::size_t rest = i, at = 0, stride = 1;
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      const auto dim = static_cast<std::size_t>(shape.dims()[axis]);
      const auto own = static_cast<std::size_t>(tensor.shape().dims()[axis]);
      if (own != 1) at += rest % dim * stride;
      stride *= own;
      rest /= dim;
    }
    out[i] = data[at];
  }
  return out;
}

}  // namespace

// Keras's reduce_to_samplewise_values, and the sums over samples of what that gives.
void Mean::update_state(const Tensor&, const Tensor& values, const Tensor& sample_weight) {
  if (values.size() == 0) return;
  if (!sample_weight.defined()) {
    const Tensor numbers = values.cast(DType::kFloat64);
    const std::span<const double> all = numbers.data<double>();
    add(values.shape(), std::accumulate(all.begin(), all.end(), 0.0),
        static_cast<double>(all.size()));
    return;
  }
  const auto [numbers, weights] = training::same_rank(values.cast(DType::kFloat64), sample_weight);
  std::vector<std::int64_t> dims = numbers.shape().dims();
  if (dims.size() > weights.shape().rank()) dims.resize(weights.shape().rank());
  const Shape weighed(std::move(dims));  // by elements, or by their means over the axes behind
  if (!broadcasts(weights.shape(), weighed)) {
    throw ValueError(
        fmt::format("Metric '{}': `sample_weight` of shape {} does not fit values of shape {}: "
                    "expected one weight a sample, or a shape that broadcasts to that.",
                    name(), sample_weight.shape().str(), values.shape().str()));
  }
  const std::vector<float> each = broadcast(weights, weighed);
  const std::span<const double> all = numbers.data<double>();
  const std::size_t size = all.size() / each.size();
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < each.size(); ++i) {
    const auto group = all.subspan(i * size, size);
    const double weight = each[i];
    sum += std::accumulate(group.begin(), group.end(), 0.0) / static_cast<double>(size) * weight;
    count += weight;
  }
  add(weighed, sum, count);
}

void Mean::add(const Shape& shape, double sum, double count) {
  const auto samples = static_cast<double>(shape.rank() == 0 ? 1 : shape.dims()[0]);
  const double each = static_cast<double>(shape.size()) / samples;
  total_ += sum / each;
  count_ += count / each;
}

void Mean::set_state(const std::vector<double>& state) {
  if (state.size() != 2) {
    throw ValueError(
        fmt::format("Metric '{}': its state has 2 numbers, not {}.", name(), state.size()));
  }
  total_ = state[0];
  count_ = state[1];
}

}  // namespace lamina::metrics
