// Gradients of losses that a device computes against those of the host: for a fake device and for a
// real one.
#pragma once
#include "kernels/losses.h"
#include "tests/training/device/device_scene.h"
#include "training/fit/device_losses.h"

namespace lamina::test {

/// A loss with labels and predictions that suit it.
struct LossCase {
  std::string what;
  LossPtr loss;
  Tensor y_true, y_pred;
  Tensor mask = {};  ///< one a row
  Shape rows = {};   ///< of masks and weights, where they have not the predictions' first axes
};

/// One a row, each with its likelihood.
inline Tensor row_probabilities(Random& random, std::int64_t rows, std::int64_t classes) {
  Tensor p = random.tensor({rows, classes}, 0.1, 1);
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto row = p.data<float>().subspan(static_cast<std::size_t>(i * classes),
                                             static_cast<std::size_t>(classes));
    float sum = 0;
    for (const float x : row) sum += x;
    for (float& x : row) x /= sum;
  }
  return p;
}

/// One a row, each with one class that is certain.
inline Tensor row_certainties(Random& random, std::int64_t rows, std::int64_t classes) {
  Tensor p = Tensor::zeros({rows, classes});
  for (std::int64_t i = 0; i < rows; ++i) {
    p.data<float>()[static_cast<std::size_t>(i * classes + random.integer(0, classes - 1))] = 1;
  }
  return p;
}

/// All of Keras's losses, with options that change what they compute.
inline std::vector<LossCase> loss_cases(Random& random, std::int64_t rows, std::int64_t classes) {
  namespace l = losses;
  const Tensor numbers = random.tensor({rows, classes}, -2, 2);
  const Tensor part = random.tensor({rows, classes}, 0, 1),
               bits = random.classes({rows, classes}, 2);
  const Tensor p = row_probabilities(random, rows, classes),
               y = row_probabilities(random, rows, classes);
  const Tensor labels = random.classes({rows, 1}, classes);
  Tensor some = labels.clone();  // the first and perhaps others are to be ignored
  some.data<std::int64_t>()[0] = 0;
  std::vector<LossCase> all;
  const auto add = [&](const char* what, LossPtr loss, const Tensor& y_true, const Tensor& y_pred) {
    all.push_back({what, std::move(loss), y_true, y_pred});
  };
  add("mse", l::MeanSquaredError(), part, numbers);
  add("mse, sum", l::MeanSquaredError({.reduction = Reduction::kSum}), part, numbers);
  add("mae", l::MeanAbsoluteError({.reduction = Reduction::kMeanWithSampleWeight}), part, numbers);
  add("mape", l::MeanAbsolutePercentageError(), part, numbers);
  add("msle", l::MeanSquaredLogarithmicError(), part, numbers);
  add("log_cosh", l::LogCosh(), part, numbers);
  add("poisson", l::Poisson(), part, p);
  add("cosine", l::CosineSimilarity(), part, numbers);
  add("kl", l::KLDivergence(), y, p);
  add("hinge", l::Hinge(), bits, numbers);
  add("squared hinge", l::SquaredHinge(), bits, numbers);
  add("categorical hinge", l::CategoricalHinge(), bits, numbers);
  add("huber", l::Huber({.delta = 0.7}), part, numbers);
  const Tensor certain = row_certainties(random, rows, classes);
  const Tensor large = random.tensor({rows, classes}, -200, 200);
  add("poisson, certain", l::Poisson(), part, certain);
  add("kl, certain", l::KLDivergence(), y, certain);
  for (const bool from_logits : {false, true}) {
    const Tensor& given = from_logits ? numbers : p;
    add("bce", l::BinaryCrossentropy({.from_logits = from_logits, .label_smoothing = 0.1}), bits,
        given);
    add("binary focal",
        l::BinaryFocalCrossentropy(
            {.apply_class_balancing = from_logits, .gamma = 1.5, .from_logits = from_logits}),
        bits, given);
    add("cce", l::CategoricalCrossentropy({.from_logits = from_logits, .label_smoothing = 0.2}), y,
        given);
    add("categorical focal", l::CategoricalFocalCrossentropy({.from_logits = from_logits}), y,
        given);
    add("sparse", l::SparseCategoricalCrossentropy({.from_logits = from_logits}), labels, given);
    add("sparse, some ignored",
        l::SparseCategoricalCrossentropy({.from_logits = from_logits, .ignore_class = 0}), some,
        given);
    const Tensor& sure = from_logits ? large : certain;
    add("bce, sure", l::BinaryCrossentropy({.from_logits = from_logits}), bits, sure);
    add("binary focal, sure", l::BinaryFocalCrossentropy({.from_logits = from_logits}), bits, sure);
    add("cce, sure", l::CategoricalCrossentropy({.from_logits = from_logits}), y, sure);
    add("categorical focal, sure", l::CategoricalFocalCrossentropy({.from_logits = from_logits}), y,
        sure);
    add("sparse, sure", l::SparseCategoricalCrossentropy({.from_logits = from_logits}), labels,
        sure);
  }
  add("sparse, labels without an axis", l::SparseCategoricalCrossentropy(), labels.reshape({rows}),
      p);
  const Tensor pixels = random.tensor({rows, 3, 2, classes}, -2, 2);
  add("sparse, of pixels",
      l::SparseCategoricalCrossentropy({.from_logits = true, .ignore_class = -1}),
      random.classes({rows, 3, 2}, classes), pixels);
  add("mse, of pixels", l::MeanSquaredError(), random.tensor({rows, 3, 2, classes}), pixels);
  add("generalized", l::CategoricalGeneralizedCrossEntropy({.q = 0.7}), labels, p);
  add("dice", l::Dice(), bits, p);
  add("dice, sum", l::Dice({.reduction = Reduction::kSum}), bits, p);
  add("dice, of rows", l::Dice({.axis = {{-1}}}), bits, p);
  add("tversky", l::Tversky({.alpha = 0.3, .beta = 0.8}), bits, p);
  add("tversky, mean", l::Tversky({.reduction = Reduction::kMeanWithSampleWeight}), bits, p);
  const Tensor shown = random.classes({rows, 3, 2, classes}, 2),
               seen = random.tensor({rows, 3, 2, classes}, 0.1, 1);
  add("dice, of pixels", l::Dice(), shown, seen);
  add("tversky, of images", l::Tversky({.axis = {{1, 2, 3}}}), shown, seen);
  all.back().rows = Shape{rows};
  add("dice, of channels", l::Dice({.axis = {{1, 2}}}), shown, seen);
  all.back().rows = Shape{rows, classes};
  add("tversky, of columns",
      l::Tversky({.axis = {{0, 1, 3}}, .reduction = Reduction::kMeanWithSampleWeight}), shown,
      seen);
  all.back().rows = Shape{2};
  add("mse, a last axis of 1", l::MeanSquaredError(), part, numbers.reshape({rows, classes, 1}));
  return all;
}

/// The gradient as the device computes it.
inline Tensor device_gradient(training::DeviceLosses& losses, const LossCase& given,
                              const Tensor& weights, double scale) {
  const Device device = losses.device();
  training::BatchLabels labels;
  std::optional<Shape> of_mask;
  if (given.mask.defined()) of_mask = given.mask.shape();
  labels.add(*given.loss, given.y_true, weights, given.y_pred.shape(), of_mask);
  std::vector<Tensor> arrays;
  for (const Tensor& array : labels.arrays()) arrays.push_back(array.to(device));
  const Tensor predictions = given.y_pred.to(device), mask = given.mask.to(device);
  const Tensor gradient = Tensor::empty(given.y_pred.shape(), given.y_pred.dtype(), device);
  losses.compute(labels, {arrays, std::span(&predictions, 1), std::span(&mask, 1)},
                 std::span(&scale, 1), {gradient});
  // What the host makes of the same labels is what it makes of all at once.
  const float value = labels.value(0, given.y_pred, given.mask);
  const float at_once = (*given.loss)(given.y_true, given.y_pred, weights, given.mask);
  EXPECT_TRUE(value == at_once || (std::isnan(value) && std::isnan(at_once))) << given.what;
  return gradient.to(Device::cpu());
}

/// One a row, of which some take no part.
inline Tensor row_mask(Random& random, const LossCase& given) {
  std::vector<std::int64_t> dims = given.rows.dims();
  if (dims.empty()) {
    dims = given.y_pred.shape().dims();
    dims.pop_back();
  }
  return random.classes(Shape(dims), 2).cast(DType::kBool);
}

/// One a row, or one a sample.
inline Tensor weights_of_rows(Random& random, const LossCase& given) {
  const std::vector<std::int64_t>& dims = given.y_pred.shape().dims();
  Shape shape{dims[0]};
  if (given.rows.rank() != 0) {
    shape = given.rows;
  } else if (dims.size() == 4 && random.integer(0, 1) == 1) {
    shape = {dims[0], dims[1], dims[2]};
  }
  return random.tensor(shape, 0, 2);
}

/// Calls compare(got, wanted, what) for each loss, dtype, and with and without weights and masks;
/// for rows that one thread of a device has, and for those that have a block of them.
template <class F>
void for_losses_on(Device device, Random& random, const F& compare) {
  training::DeviceLosses losses(device);
  std::vector<LossCase> all = loss_cases(random, random.integer(1, 40), random.integer(2, 12));
  for (LossCase& each :
       loss_cases(random, random.integer(1, 6), kernels::kLongLossRow + random.integer(0, 700))) {
    each.what += ", long rows";
    all.push_back(std::move(each));
  }
  for (const LossCase& each : all) {
    for (const DType dtype :
         {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16}) {
      for (const bool weighted : {false, true}) {
        LossCase given = each;
        given.y_pred = each.y_pred.cast(dtype);
        ASSERT_TRUE(training::DeviceLosses::computes(*given.loss, dtype));
        const std::vector<std::int64_t>& dims = given.y_pred.shape().dims();
        if (dims.back() != 1 && random.integer(0, 1) == 1) {
          given.mask = row_mask(random, given);
        }
        const Tensor weights = weighted ? weights_of_rows(random, given) : Tensor();
        const double scale = random.uniform(0.5, 8);
        const Tensor wanted =
            given.loss->value_and_gradient(given.y_true, given.y_pred, weights, scale, given.mask)
                .gradient;
        const Tensor got = device_gradient(losses, given, weights, scale);
        compare(got, wanted,
                given.what + ", " + std::string(dtype_name(dtype)) +
                    (weighted ? ", weighted" : "") + (given.mask.defined() ? ", masked" : ""));
      }
    }
  }
}

}  // namespace lamina::test
