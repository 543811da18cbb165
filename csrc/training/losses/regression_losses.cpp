// Losses of numbers and of distributions.
#include <lamina/losses.h>

#include "training/losses/rows.h"

namespace lamina::losses {

LossPtr MeanAbsolutePercentageError(LossOptions options) {
  return described("MeanAbsolutePercentageError", options,
                   mean_over_row(named(options.name, "mean_absolute_percentage_error"),
                                 options.reduction, kernels::AbsolutePercentageError{}));
}

LossPtr MeanSquaredLogarithmicError(LossOptions options) {
  return described("MeanSquaredLogarithmicError", options,
                   mean_over_row(named(options.name, "mean_squared_logarithmic_error"),
                                 options.reduction, kernels::SquaredLogarithmicError{}));
}

LossPtr LogCosh(LossOptions options) {
  return described(
      "LogCosh", options,
      mean_over_row(named(options.name, "log_cosh"), options.reduction, kernels::LogCoshError{}));
}

LossPtr Poisson(LossOptions options) {
  return described(
      "Poisson", options,
      mean_over_row(named(options.name, "poisson"), options.reduction, kernels::PoissonError{}));
}

LossPtr CosineSimilarity(LossOptions options) {
  return described("CosineSimilarity", options,
                   loss_of(named(options.name, "cosine_similarity"), options.reduction,
                           kernels::NegativeCosine{}));
}

LossPtr KLDivergence(LossOptions options) {
  return described(
      "KLDivergence", options,
      loss_of(named(options.name, "kl_divergence"), options.reduction, kernels::Divergence{}));
}

}  // namespace lamina::losses
