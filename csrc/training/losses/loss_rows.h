#pragma once
#include <lamina/losses.h>

#include <cstdint>
#include <vector>

namespace lamina::training {

/// The labels of a batch, as a loss's rows take them, and what the rows are.
struct LossRows {
  /// Of predictions of a shape. Throws ValueError where labels do not fit them, and for labels that
  /// no row may have.
  LossRows(const Loss& loss, const Tensor& labels_of_rows, const Shape& predictions);

  Shape y_pred;                          ///< of the predictions: an axis of size 1 more or less
  Tensor y_true;                         ///< float32
  Shape shape;                           ///< of the rows
  std::int64_t classes = 0, labels = 0;  ///< of a row
  std::vector<std::uint8_t> counts;      ///< 0 for a row that takes no part

  /// Rows where the mask is 0 take no part. Throws ValueError where it does not fit.
  void leave_out(const Loss& loss, const Tensor& mask);
  /// By what the sum of the rows' losses is divided. `weights`: one a row; empty: all 1.
  [[nodiscard]] float divisor(Reduction reduction, const std::vector<float>& weights) const;

 private:
  void require_fit(const Loss& loss, const Shape& given, const Shape& predictions) const;
};

}  // namespace lamina::training
