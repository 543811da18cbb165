#include "layers/values/orthogonal.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace lamina::layers {
namespace {

double dot(const double* a, const double* b, std::size_t n) {
  return std::inner_product(a, a + n, b, 0.0);
}

// Gram and Schmidt on the rows of a count x length matrix; twice, because once loses orthogonality.
void orthonormalise(std::vector<double>& rows, std::size_t count, std::size_t length) {
  for (std::size_t i = 0; i < count; ++i) {
    double* row = rows.data() + i * length;
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < i; ++j) {
        const double* other = rows.data() + j * length;
        const double along = dot(row, other, length);
        for (std::size_t k = 0; k < length; ++k) row[k] -= along * other[k];
      }
    }
    const double norm = std::sqrt(dot(row, row, length));
    for (std::size_t k = 0; k < length; ++k) row[k] /= norm;
  }
}

}  // namespace

Tensor orthogonal_matrix(RandomStream stream, double gain, const Shape& shape) {
  if (shape.rank() < 2) {
    throw ValueError("The tensor to initialize must be at least two-dimensional. Received: shape=" +
                     shape.str() + " of rank " + std::to_string(shape.rank()) + ".");
  }
  Tensor out = Tensor::empty(shape);
  const std::span<float> values = out.data<float>();
  if (values.empty()) return out;
  fill_normal(stream, 0, 1, values);
  const auto cols = static_cast<std::size_t>(shape[-1]);
  const std::size_t rows = values.size() / cols;
  const std::size_t count = std::min(rows, cols), length = std::max(rows, cols);
  std::vector<double> vectors(values.begin(), values.end());
  orthonormalise(vectors, count, length);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) {
      const std::size_t source = rows < cols ? r * length + c : c * length + r;
      values[r * cols + c] = static_cast<float>(gain * vectors[source]);
    }
  }
  return out;
}

}  // namespace lamina::layers
