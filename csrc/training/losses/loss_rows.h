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
  std::vector<float> weights;            ///< one a row; empty: all 1

  /// Throws ValueError where a mask of such a shape does not say it of each row.
  void require_mask(const Loss& loss, const Shape& mask) const;
  /// Rows where the mask is 0 take no part. Throws likewise.
  void leave_out(const Loss& loss, const Tensor& mask);
  /// Undefined: all 1. Throws ValueError where the weights do not fit.
  void weigh(const Tensor& sample_weight);
  /// By what the sum of the rows' losses is divided.
  [[nodiscard]] float divisor(Reduction reduction) const;
  /// The reduced loss of predictions on the host.
  [[nodiscard]] float loss_of(const Loss& loss, const Tensor& predictions) const;

 private:
  void require_fit(const Loss& loss, const Shape& given, const Shape& predictions) const;
};

}  // namespace lamina::training
