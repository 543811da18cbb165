// The derivatives of Keras's losses by the predictions of a batch.
#pragma once
#include <cstdint>
#include <variant>

#include "kernels/executor.h"
#include "kernels/row_losses.h"

namespace lamina::kernels {

/// How a row's derivatives become those of the reduced loss, times `scale`.
struct LossWeighting {
  float divisor = 1, scale = 1;
  [[nodiscard]] LAMINA_HOST_DEVICE float operator()(float slope, float weight) const {
    return slope * (weight / divisor) * scale;
  }
};

/// The rows of a batch: `y_true` has `labels` numbers for each, `y_pred` and `gradient` `classes`.
struct LossBatch {
  std::int64_t rows, classes, labels;
  const float *y_true, *y_pred;
  const float* weights;        ///< one a row; null: all 1
  const std::uint8_t* counts;  ///< one a row: 0 where it takes no part; null: all do
  LossWeighting weighting;     ///< a divisor of 0: no row takes part
  float* gradient;

  [[nodiscard]] LAMINA_HOST_DEVICE bool takes_part(std::int64_t row) const {
    return weighting.divisor != 0 && (counts == nullptr || counts[row] != 0);
  }
  [[nodiscard]] LAMINA_HOST_DEVICE float weighted(std::int64_t row, float slope) const {
    return weighting(slope, weights == nullptr ? 1.0F : weights[row]);
  }
};

/// The derivatives of the reduced loss by the predictions.
struct LossGradientJob {
  RowLoss loss;
  LossBatch batch;
};

template <class F>
struct LossGradientOfElement {
  F f;
  LossBatch batch;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t row = i / batch.classes;
    batch.gradient[i] =
        batch.takes_part(row)
            ? batch.weighted(row, f.slope_of(batch.y_true[i], batch.y_pred[i], batch.classes))
            : 0.0F;
  }
};

template <class F>
struct LossGradientOfRow {
  F f;
  LossBatch batch;
  LAMINA_HOST_DEVICE void operator()(std::int64_t row) const {
    const LossSlopes slopes{batch.gradient + row * batch.classes, batch.classes};
    const bool takes_part = batch.takes_part(row);
    if (takes_part) {
      (void)f(LossRow{batch.y_true + row * batch.labels, batch.labels},
              LossRow{batch.y_pred + row * batch.classes, batch.classes}, slopes);
    }
    for (std::int64_t i = 0; i < slopes.size; ++i) {
      slopes[i] = takes_part ? batch.weighted(row, slopes[i]) : 0.0F;
    }
  }
};

/// Each element by itself where what it loses depends on nothing else; else row by row.
template <class Executor>
bool execute(const LossGradientJob& job, Executor& executor) {
  std::visit(
      [&]<class F>(const F& f) {
        if constexpr (requires { f.slope_of(0.0F, 0.0F, std::int64_t{1}); }) {
          executor.for_each(job.batch.rows * job.batch.classes,
                            LossGradientOfElement<F>{f, job.batch});
        } else {
          executor.for_each(job.batch.rows, LossGradientOfRow<F>{f, job.batch});
        }
      },
      job.loss);
  return true;
}

}  // namespace lamina::kernels
