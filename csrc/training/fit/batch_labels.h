#pragma once
#include <lamina/losses.h>

#include <optional>
#include <vector>

#include "training/losses/loss_rows.h"

namespace lamina::training {

/// The labels and weights of a batch as Keras's losses take them: checked and made ready once,
/// before the step, for the device that computes gradients and for the host, which computes values.
class BatchLabels {
 public:
  /// Where in the arrays something lies.
  using Place = std::optional<std::size_t>;
  struct Output {
    const Loss* loss;  ///< a losses::KernelLoss
    LossRows rows;
    Place y_true, weights, counts;  ///< one a row; of one that is shared and masked, one a share
    bool masked;
  };

  /// Adds one output, of predictions of a shape and with masks of a shape, if any; the loss
  /// outlives this. Throws what Loss::value_and_gradient throws.
  void add(const Loss& loss, const Tensor& y_true, const Tensor& sample_weight,
           const Shape& predictions, const std::optional<Shape>& mask);
  [[nodiscard]] const std::vector<Output>& outputs() const noexcept { return outputs_; }
  /// What a device needs to have of them: on the host.
  [[nodiscard]] const std::vector<Tensor>& arrays() const noexcept { return arrays_; }
  /// The loss of an output's predictions on the host, and its mask there, undefined without one.
  /// Once for each.
  [[nodiscard]] float value(std::size_t output, const Tensor& y_pred, const Tensor& mask);

 private:
  [[nodiscard]] std::size_t put(Tensor array);

  std::vector<Output> outputs_;
  std::vector<Tensor> arrays_;
};

}  // namespace lamina::training
