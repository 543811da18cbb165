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
  const bool* mask;            ///< the same of the model; null: all do
  LossWeighting weighting;     ///< a divisor of 0: no row takes part
  const float* divisor;        ///< of a LossDivisorJob; null: that of `weighting`
  float* gradient;

  [[nodiscard]] LAMINA_HOST_DEVICE bool counted(std::int64_t row) const {
    return (counts == nullptr || counts[row] != 0) && (mask == nullptr || mask[row]);
  }
  [[nodiscard]] LAMINA_HOST_DEVICE float weight(std::int64_t row) const {
    return weights == nullptr ? 1.0F : weights[row];
  }
  [[nodiscard]] LAMINA_HOST_DEVICE LossWeighting how() const {
    return {divisor == nullptr ? weighting.divisor : *divisor, weighting.scale};
  }
};

/// divisor[0]: what the sum of the rows' losses is divided by.
struct LossDivisorJob {
  enum class Kind : std::uint8_t {
    kRows,     ///< how many are counted
    kWeights,  ///< what these weigh together
    kOne       ///< 1, or 0 where none is
  };
  LossBatch batch;
  Kind kind;
  float* divisor;
};

/// In float64, as the host does.
struct SumLossWeights {
  LossDivisorJob job;
  [[nodiscard]] LAMINA_HOST_DEVICE double zero() const { return 0; }
  [[nodiscard]] LAMINA_HOST_DEVICE double combine(double a, double b) const { return a + b; }
  [[nodiscard]] LAMINA_HOST_DEVICE double element(std::int64_t, std::int64_t row) const {
    if (!job.batch.counted(row)) return 0;
    const bool by_weight = job.kind == LossDivisorJob::Kind::kWeights;
    return by_weight ? static_cast<double>(job.batch.weight(row)) : 1;
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t, double sum) const {
    const bool one = job.kind == LossDivisorJob::Kind::kOne && sum != 0;
    *job.divisor = one ? 1.0F : static_cast<float>(sum);
  }
};

template <class Executor>
bool execute(const LossDivisorJob& job, Executor& executor) {
  executor.reduce(1, job.batch.rows, Slices{1, true}, nullptr, SumLossWeights{job});
  return true;
}

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
    const LossWeighting how = batch.how();
    batch.gradient[i] =
        how.divisor != 0 && batch.counted(row)
            ? how(f.slope_of(batch.y_true[i], batch.y_pred[i], batch.classes), batch.weight(row))
            : 0.0F;
  }
};

template <class F>
struct LossGradientOfRow {
  F f;
  LossBatch batch;
  LAMINA_FOR_TEAMS template <class Team = Alone>
  LAMINA_HOST_DEVICE void operator()(std::int64_t row, const Team& team = {}) const {
    const LossSlopes slopes{batch.gradient + row * batch.classes, batch.classes};
    const LossWeighting how = batch.how();
    if (how.divisor == 0 || !batch.counted(row)) {
      team.each(slopes.size, [&](std::int64_t i) { slopes[i] = 0.0F; });
      return;
    }
    (void)f(LossRow{batch.y_true + row * batch.labels, batch.labels},
            LossRow{batch.y_pred + row * batch.classes, batch.classes}, slopes, team);
    const float weight = batch.weight(row);
    team.each(slopes.size, [&](std::int64_t i) { slopes[i] = how(slopes[i], weight); });
  }
};

/// From so many classes on a row is worth a block of threads.
inline constexpr std::int64_t kLongLossRow = 128;

/// Each element by itself where what it loses depends on nothing else; else row by row.
template <class Executor>
bool execute(const LossGradientJob& job, Executor& executor) {
  std::visit(
      [&]<class F>(const F& f) {
        if constexpr (requires { f.slope_of(0.0F, 0.0F, std::int64_t{1}); }) {
          executor.for_each(job.batch.rows * job.batch.classes,
                            LossGradientOfElement<F>{f, job.batch});
        } else if (job.batch.classes < kLongLossRow) {
          executor.for_each(job.batch.rows, LossGradientOfRow<F>{f, job.batch});
        } else {
          executor.for_each_team(job.batch.rows, LossGradientOfRow<F>{f, job.batch});
        }
      },
      job.loss);
  return true;
}

}  // namespace lamina::kernels
