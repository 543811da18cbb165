#pragma once
#include <cstddef>
#include <vector>

#include "core/compute_dtype.h"
#include "graph/builder.h"
#include "graph/program.h"

namespace lamina::layers {

/// x seen as a matrix (rows, kept): the elements along `kept` axes (sorted) become the columns.
/// Made so that an operation per column can be written; `restore` undoes it.
class ColumnView {
 public:
  ColumnView(graph::Builder& builder, graph::ValueId x, std::vector<std::size_t> kept);
  [[nodiscard]] graph::ValueId value() const { return value_; }
  [[nodiscard]] graph::ValueId restore(graph::ValueId y) const;

 private:
  graph::Builder& builder_;
  graph::ValueId value_;
  std::vector<std::size_t> perm_;
  Shape permuted_;
};

/// y = (x - mean) / sqrt(variance) * scale + offset with one value for each position along `kept`
/// (sorted). An empty Param (no function) leaves its step out.
struct ColumnAffine {
  graph::Param mean, variance, scale, offset;
};
[[nodiscard]] graph::ValueId column_affine(graph::Builder& builder, graph::ValueId x,
                                           const std::vector<std::size_t>& kept,
                                           ColumnAffine affine);

/// A parameter that never changes.
[[nodiscard]] graph::Param constant_param(std::vector<double> values, DType dtype);

/// A value that is `value` everywhere and never changes; made when the program is run.
[[nodiscard]] graph::ValueId filled(graph::Builder& builder, const ops::TensorSpec& spec,
                                    double value);

/// The dtype of statistics of values of `dtype`: floating, and wide.
[[nodiscard]] inline DType statistics_dtype(DType dtype) {
  return is_floating(dtype) ? core::compute_dtype(dtype) : DType::kFloat32;
}

/// The values as they are after a cast to `dtype`.
[[nodiscard]] std::vector<double> rounded(const std::vector<double>& values, DType dtype);
/// A function with its parameters as the dtype has them in which Keras computes it.
[[nodiscard]] ops::Activation rounded(ops::Activation function, DType dtype);

}  // namespace lamina::layers
