#pragma once
#include <lamina/model.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace lamina {

/// Gradients for a training loop that is written by hand; each step to the same bits as one of
/// `Model::train_on_batch` with the same loss and optimizer, but for how a GPU rounds the gradient
/// of one of Keras's losses, which `train_on_batch` has computed where the variables are:
///
///     GradientTape tape(*model);
///     optimizer->build(tape.variables());
///     const Tensor& predicted = tape.forward({images})[0];
///     const LossResult loss = cross_entropy->value_and_gradient(labels, predicted);
///     optimizer->apply(tape.gradients({loss.gradient}));
///
/// With an optimizer that scales the loss: value_and_gradient(labels, predicted, {},
/// optimizer->loss_scale()), and of a model with regularizers gradients({loss.gradient},
/// optimizer->loss_scale()). Its whole loss is loss.value + tape.penalty().
///
/// Where the model makes masks that reach its outputs, these belong to the loss:
/// value_and_gradient(labels, predicted, {}, 1, tape.output_masks()[0]).
///
/// It computes where the model's variables are (see Model::to). Holds compiled graphs for the three
/// input shapes used last: keep it through the loop. The model must outlive it. One call at a time.
class GradientTape {
 public:
  /// What is trainable is read here. `seed` and the number of calls of `forward` settle what
  /// dropout drops; `first_call` is for a loop that goes on. Throws ValueError for a model that is
  /// not built, UnsupportedError for one whose configuration asks for regularizers or constraints
  /// that Lamina lacks.
  explicit GradientTape(Model& model, std::uint64_t seed = 0, std::uint64_t first_call = 0);
  GradientTape(GradientTape&&) noexcept;
  GradientTape& operator=(GradientTape&&) noexcept;
  ~GradientTape();

  /// The model's outputs in training mode, on the host, valid until the next call: batch
  /// normalisation on the batch's statistics, with its moving averages updated; dropout active. One
  /// tensor on host memory for each input, batch first, cast to the input's dtype. Throws
  /// ValueError naming the input that does not fit, UnsupportedError for an operation without a
  /// gradient.
  const std::vector<Tensor>& forward(const std::vector<Tensor>& inputs);
  /// The masks of the outputs of the last `forward`, bool, on the host and as long valid: what
  /// Loss::value_and_gradient takes as its `mask`. Undefined for outputs without one. Throws
  /// ValueError without a `forward`.
  [[nodiscard]] const std::vector<Tensor>& output_masks() const;
  /// What the model's regularizers add to the loss (Keras's `sum(model.losses)`): of the variables
  /// as they were in the last `forward` and of what layers gave in it. Throws ValueError without
  /// one.
  [[nodiscard]] double penalty() const;
  /// The gradients of a scalar with respect to `variables()`, of their shapes and dtypes and where
  /// they are, valid until the next call, from its gradient with respect to each output of the last
  /// `forward`; `penalty_scale` times the penalty is a part of that scalar. Once after each
  /// forward: throws ValueError otherwise.
  const std::vector<Tensor>& gradients(const std::vector<Tensor>& output_gradients,
                                       double penalty_scale = 1);

  /// The model's trainable variables when this was made.
  [[nodiscard]] const std::vector<VariablePtr>& variables() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace lamina
