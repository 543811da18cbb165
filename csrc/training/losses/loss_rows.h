#pragma once
#include <lamina/losses.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/layout.h"

namespace lamina::training {

/// The labels of a batch, as a loss's rows take them, and what the rows are.
struct LossRows {
  /// Of predictions of a shape. Throws ValueError where labels do not fit them, and for labels that
  /// no row may have.
  LossRows(const Loss& loss, const Tensor& labels_of_rows, const Shape& predictions);

  Shape y_pred;                          ///< of the predictions: an axis of size 1 more or less
  Tensor y_true;                         ///< float32, row after row
  Shape shape;                           ///< of the rows
  std::int64_t classes = 0, labels = 0;  ///< of a row
  /// What has a weight and may be masked: the rows; but one row that has no axes, such as all of a
  /// batch, is so often as there are weights, or elements of the mask, as it would broadcast.
  Shape shares;
  std::vector<std::uint8_t> counts;  ///< one a share: 0 for one that takes no part
  std::vector<float> weights;        ///< one a share; empty: all 1
  /// Element i of the rows, one after another, is prediction places.at(i).
  kernels::Layout places;
  bool in_order = true;  ///< that is i

  /// Throws ValueError where a mask of such a shape does not say it of each row. Before `weigh`.
  void expect_mask(const Loss& loss, const Shape& mask);
  /// Shares where the mask is 0 take no part. Throws likewise.
  void leave_out(const Loss& loss, const Tensor& mask);
  /// Undefined: all 1. Throws ValueError where the weights do not fit.
  void weigh(const Tensor& sample_weight);

  /// Whether the one row has shares.
  [[nodiscard]] bool shared() const { return shape.rank() == 0; }
  [[nodiscard]] bool counted(std::size_t row) const;
  /// What a row's loss and derivatives are multiplied by before they are divided: the weight, or
  /// what those of its shares that take part weigh together.
  [[nodiscard]] float weight(std::size_t row) const;
  /// By what the sum of the rows' losses is divided.
  [[nodiscard]] float divisor(Reduction reduction) const;
  /// Whether that is what they weigh; else it is how many they are, or 1.
  [[nodiscard]] bool divides_by_weight(Reduction reduction) const;
  /// The reduced loss of rows that lose so much already multiplied by their weights.
  [[nodiscard]] static float reduced(std::span<const float> weighted, float divisor);

  /// The reduced loss of predictions on the host.
  [[nodiscard]] float loss_of(const Loss& loss, const Tensor& predictions) const;
  /// Float32 numbers in the order of the predictions, row after row; and back.
  [[nodiscard]] Tensor by_row(const Tensor& numbers) const;
  [[nodiscard]] Tensor in_place(const Tensor& rows) const;

 private:
  /// Which axes are a row's, and where its elements lie.
  void split(const Loss& loss);
  void require_fit(const Loss& loss, const Shape& given, const Shape& predictions) const;
  void share(const Shape& all);
};

}  // namespace lamina::training
