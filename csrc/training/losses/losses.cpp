#include <lamina/losses.h>

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.h"
#include "training/losses/labels.h"
#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

/// log(softmax(x)) at class i, given what `log_sum` found.
struct LogSum {
  float max, log;
};
LogSum log_sum(Row x) {
  const float max = *std::max_element(x.begin(), x.end());
  float sum = 0;
  for (const float value : x) sum += std::exp(value - max);
  return {max, std::log(sum)};
}

/// -sum(y log p) with y given by a function of the class.
template <class Labels>
float crossentropy_of_logits(const Labels& y, Row x, Slope gradient) {
  const LogSum sum = log_sum(x);
  float loss = 0, total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    loss -= y(i) == 0 ? 0.0F : y(i) * (x[i] - sum.max - sum.log);
    total += y(i);
  }
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] = std::exp(x[i] - sum.max - sum.log) * total - y(i);
  }
  return loss;
}

template <class Labels>
float crossentropy_of_probabilities(const Labels& y, Row p, Slope gradient) {
  float sum = 0;
  for (const float value : p) sum += value;
  float loss = 0, mean = 0;  // mean: of the derivatives by the normalised probabilities
  for (std::size_t i = 0; i < p.size(); ++i) {
    const Clipped q = clip(p[i] / sum);
    loss -= y(i) == 0 ? 0.0F : y(i) * std::log(q.value);
    if (q.inside) mean -= y(i) / q.value * (p[i] / sum);
  }
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const Clipped q = clip(p[i] / sum);
    gradient[i] = ((q.inside ? -y(i) / q.value : 0.0F) - mean) / sum;
  }
  return loss;
}

template <class Labels>
float crossentropy(bool from_logits, const Labels& y, Row x, Slope gradient) {
  return from_logits ? crossentropy_of_logits(y, x, gradient)
                     : crossentropy_of_probabilities(y, x, gradient);
}

class CategoricalCrossentropyLoss : public Loss {
 public:
  explicit CategoricalCrossentropyLoss(const CategoricalCrossentropyOptions& options)
      : Loss(named(options.name, "categorical_crossentropy"), options.reduction),
        from_logits_(options.from_logits),
        smoothing_(static_cast<float>(options.label_smoothing)) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    const float floor = smoothing_ / static_cast<float>(y_pred.size());
    const auto label = [&](std::size_t i) { return y_true[i] * (1.0F - smoothing_) + floor; };
    return crossentropy(from_logits_, label, y_pred, gradient);
  }

 private:
  bool from_logits_;
  float smoothing_;
};

class SparseCategoricalCrossentropyLoss : public Loss {
 public:
  explicit SparseCategoricalCrossentropyLoss(const SparseCategoricalCrossentropyOptions& options)
      : Loss(named(options.name, "sparse_categorical_crossentropy"), options.reduction),
        from_logits_(options.from_logits),
        ignore_class_(options.ignore_class) {}

 protected:
  float row(Row y_true, Row y_pred, Slope gradient) const override {
    const auto label = [at = static_cast<std::size_t>(y_true[0])](std::size_t i) {
      return i == at ? 1.0F : 0.0F;
    };
    return crossentropy(from_logits_, label, y_pred, gradient);
  }
  std::int64_t labels(std::int64_t) const override { return 1; }
  bool ignored(Row y_true) const override {
    return ignore_class_ && y_true[0] == static_cast<float>(*ignore_class_);
  }
  void check_labels(Row y_true, std::int64_t classes) const override {
    for (std::size_t i = 0; i < y_true.size(); ++i) {
      const float label = y_true[i];
      const bool fits =
          label >= 0 && label < static_cast<float>(classes) && label == std::floor(label);
      if (fits || ignored(y_true.subspan(i, 1))) continue;
      throw training::LabelError(name(), label, i, classes);
    }
  }

 private:
  bool from_logits_;
  std::optional<std::int64_t> ignore_class_;
};

}  // namespace

LossPtr MeanSquaredError(LossOptions options) {
  return described("MeanSquaredError", options,
                   mean_over_row(named(options.name, "mean_squared_error"), options.reduction,
                                 [](float y, float p, float& slope) {
                                   slope = 2.0F * (p - y);
                                   return (y - p) * (y - p);
                                 }));
}

LossPtr MeanAbsoluteError(LossOptions options) {
  return described("MeanAbsoluteError", options,
                   mean_over_row(named(options.name, "mean_absolute_error"), options.reduction,
                                 [](float y, float p, float& slope) {
                                   slope = p > y ? 1.0F : (p < y ? -1.0F : p - y);
                                   return std::fabs(y - p);
                                 }));
}

LossPtr Huber(HuberOptions options) {
  return described(
      "Huber", options,
      mean_over_row(named(options.name, "huber_loss"), options.reduction,
                    [delta = static_cast<float>(options.delta)](float y, float p, float& slope) {
                      const float error = p - y, size = std::fabs(error);
                      if (size <= delta) {
                        slope = error;
                        return 0.5F * error * error;
                      }
                      slope = error > 0 ? delta : (error < 0 ? -delta : error);
                      return delta * size - 0.5F * delta * delta;
                    }));
}

LossPtr BinaryCrossentropy(BinaryCrossentropyOptions options) {
  require_smoothing("BinaryCrossentropy", options.label_smoothing);
  const auto smoothing = static_cast<float>(options.label_smoothing);
  const auto smooth = [smoothing](float y) { return y * (1.0F - smoothing) + 0.5F * smoothing; };
  std::string name = named(options.name, "binary_crossentropy");
  if (options.from_logits) {
    return described(
        "BinaryCrossentropy", options,
        mean_over_row(std::move(name), options.reduction, [smooth](float y, float x, float& slope) {
          y = smooth(y);
          slope = kernels::stable_sigmoid(x) - y;
          return y * kernels::stable_softplus(-x) + (1.0F - y) * kernels::stable_softplus(x);
        }));
  }
  return described(
      "BinaryCrossentropy", options,
      mean_over_row(std::move(name), options.reduction, [smooth](float y, float p, float& slope) {
        y = smooth(y);
        const Clipped q = clip(p);
        slope = q.inside ? (1.0F - y) / (1.0F - q.value) - y / q.value : 0.0F;
        return -(y * std::log(q.value) + (1.0F - y) * std::log(1.0F - q.value));
      }));
}

LossPtr CategoricalCrossentropy(CategoricalCrossentropyOptions options) {
  require_smoothing("CategoricalCrossentropy", options.label_smoothing);
  return described("CategoricalCrossentropy", options,
                   std::make_shared<CategoricalCrossentropyLoss>(options));
}

LossPtr SparseCategoricalCrossentropy(SparseCategoricalCrossentropyOptions options) {
  return described("SparseCategoricalCrossentropy", options,
                   std::make_shared<SparseCategoricalCrossentropyLoss>(options));
}

}  // namespace lamina::losses
