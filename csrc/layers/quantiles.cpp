#include "layers/quantiles.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace lamina::layers {
namespace {

/// What is no number is behind all that is one.
bool before(float a, float b) {
  return a < b || (std::isnan(b) && !std::isnan(a));
}

/// The polygon through (x, y) at `at`, with its ends' values outside of it; the steps and their
/// order are those that give Keras's bits.
double interpolated(double at, const std::vector<float>& x, const std::vector<float>& y) {
  const auto above = std::upper_bound(
      x.begin(), x.end(), at, [](double value, float each) { return value < double(each); });
  if (above == x.begin()) return y.front();
  const auto j = static_cast<std::size_t>(above - x.begin()) - 1;
  if (j + 1 == x.size() || double(x[j]) == at) return y[j];
  const double slope = (double(y[j + 1]) - double(y[j])) / (double(x[j + 1]) - double(x[j]));
  double value = slope * (at - double(x[j])) + double(y[j]);
  if (std::isnan(value)) value = slope * (at - double(x[j + 1])) + double(y[j + 1]);
  return std::isnan(value) && y[j] == y[j + 1] ? double(y[j]) : value;
}

/// With values at the multiples of `epsilon` of all weight, if there are more of them now.
Summary compressed(const Summary& summary, double epsilon) {
  const std::size_t size = summary.values.size();
  if (static_cast<double>(size) * epsilon < 1) return summary;
  std::vector<float> sums(size), shares(size);
  std::partial_sum(summary.weights.begin(), summary.weights.end(), sums.begin());
  for (std::size_t i = 0; i < size; ++i) shares[i] = sums[i] / sums.back();
  Summary result;
  double previous = 0;
  const auto count = static_cast<std::int64_t>(std::ceil(1 / epsilon));
  for (std::int64_t i = 0; i < count; ++i) {
    const double share = epsilon + static_cast<double>(i) * epsilon;
    const double sum = interpolated(share, shares, sums);
    result.values.push_back(static_cast<float>(interpolated(share, shares, summary.values)));
    result.weights.push_back(static_cast<float>(sum - previous));
    previous = sum;
  }
  return result;
}

}  // namespace

Summary summary_of(std::vector<float> data, double epsilon) {
  std::sort(data.begin(), data.end(), before);
  const auto size = static_cast<double>(data.size());
  const double step = std::max(size / (1 / epsilon), 1.0);
  Summary result;
  // Of each so many the last, by whole numbers, though the weight is none.
  for (double at = std::floor(step - 1); at < size; at += std::floor(step)) {
    result.values.push_back(data[static_cast<std::size_t>(at)]);
  }
  result.weights.assign(result.values.size(), static_cast<float>(step));
  return result;
}

Summary merged(const Summary& newer, const Summary& older, double epsilon) {
  struct Entry {
    float value, weight;
  };
  std::vector<Entry> entries;
  for (const Summary* summary : {&newer, &older}) {
    for (std::size_t i = 0; i < summary->values.size(); ++i) {
      entries.push_back({summary->values[i], summary->weights[i]});
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return before(a.value, b.value); });
  Summary both;
  for (const Entry& entry : entries) {
    both.values.push_back(entry.value);
    both.weights.push_back(entry.weight);
  }
  return compressed(both, epsilon);
}

std::vector<float> boundaries_of(const Summary& summary, std::int64_t bins) {
  std::vector<float> values = compressed(summary, 1 / static_cast<double>(bins)).values;
  if (!values.empty()) values.pop_back();
  return values;
}

}  // namespace lamina::layers
