#pragma once
#include <lamina/tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lamina::layers {

/// Means and variances of data for each place along some axes, over all others.
struct Moments {
  std::vector<double> mean, variance;
  std::int64_t count = 0;  ///< elements for each place

  /// Those of this data and of `other` together.
  void merge(const Moments& other);
};

/// Of data on the host; `kept`: the axes, sorted. Without elements there are no means, and `count`
/// is 0.
[[nodiscard]] Moments moments_of(const Tensor& data, const std::vector<std::size_t>& kept);

}  // namespace lamina::layers
