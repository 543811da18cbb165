// The members of Model that train it.
#include <fmt/format.h>
#include <lamina/data_loader.h>
#include <lamina/training.h>

#include "models/pending_saves.h"
#include "models/training_parts.h"
#include "training/fit_loop.h"
#include "training/trainer.h"

namespace lamina {
namespace {

models::TrainingParts& compiled(const std::shared_ptr<models::TrainingParts>& parts,
                                const Model& model, const char* method) {
  if (parts) return *parts;
  throw ValueError(fmt::format("You must call `compile()` before calling `{}()` on model '{}'.",
                               method, model.name()));
}

template <class Standardize>
std::optional<training::Data> validation_of(const FitOptions& options,
                                            const Standardize& standardize) {
  if (!options.validation_data) return {};
  DataSet given = *options.validation_data;
  const training::Data checked(given, "the validation data");
  given.x = standardize(given.x);
  return training::Data(std::move(given), "the validation data");
}

}  // namespace

void Model::compile(CompileArguments arguments) {
  auto parts = std::make_shared<models::TrainingParts>();
  OptimizerPtr& optimizer = arguments.optimizer.optimizer;
  if (arguments.auto_scale_loss && optimizer && !optimizer->inner_optimizer() &&
      dtype_policy().name == "mixed_float16") {
    optimizer = optimizers::LossScaleOptimizer(
        {.inner_optimizer = optimizer, .name = "loss_scale_optimizer"});
  }
  parts->optimizer = optimizer;
  parts->trainer = std::make_shared<training::Trainer>(*this, std::move(arguments));
  training_ = std::move(parts);
  saves_->names.forget();  // the optimizer of before goes, with all that it holds
}

OptimizerPtr Model::optimizer() const {
  return training_ ? training_->optimizer : nullptr;
}

History Model::fit(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
                   const FitOptions& options) {
  models::TrainingParts& parts = compiled(training_, *this, "fit");
  training::check(options);
  const training::Data given({x, y, options.sample_weight}, "the training data");
  training::Data data({standardize(x), y, options.sample_weight}, "the training data");
  std::optional<training::Data> validation =
      validation_of(options, [this](const auto& inputs) { return standardize(inputs); });
  if (!validation && options.validation_split > 0) {
    auto [first, last] = data.split(options.validation_split);
    data = std::move(first);
    validation = std::move(last);
  }
  data.weigh(options.class_weight);
  return training::FitLoop(
             *this, parts,
             training::array_feed(std::move(data), options.batch_size, options.shuffle),
             std::move(validation), options)
      .run();
}

History Model::fit(const DataLoaderPtr& loader, const FitOptions& options) {
  models::TrainingParts& parts = compiled(training_, *this, "fit");
  training::check(options);
  if (options.validation_split > 0 || !options.class_weight.empty() ||
      options.sample_weight.defined()) {
    throw ValueError(
        "`validation_split`, `class_weight` and `sample_weight` need arrays: a data loader gives "
        "each batch its weights, and `validation_data` is given by itself.");
  }
  const auto standardized = [this](const auto& inputs) { return standardize(inputs); };
  return training::FitLoop(*this, parts, training::loader_feed(loader, standardized),
                           validation_of(options, standardized), options)
      .run();
}

History Model::fit(const Tensor& x, const Tensor& y, const FitOptions& options) {
  return fit(std::vector<Tensor>{x}, std::vector<Tensor>{y}, options);
}

History Model::fit(const Tensor& x, const Tensor& y) {
  return fit(x, y, FitOptions{});
}

Logs Model::evaluate(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
                     const EvaluateOptions& options) {
  models::TrainingParts& parts = compiled(training_, *this, "evaluate");
  if (options.batch_size < 1) {
    throw ValueError(
        fmt::format("`batch_size` must be positive; received {}.", options.batch_size));
  }
  const training::Data given({x, y, options.sample_weight}, "the data");
  const training::Data data({standardize(x), y, options.sample_weight}, "the data");
  training::Trainer& trainer = *parts.trainer;
  trainer.prepare(data.slice(0, 1));
  trainer.reset_metrics();
  const std::int64_t steps = (data.rows() + options.batch_size - 1) / options.batch_size;
  training::ProgressBar bar(steps, training::ProgressBar::resolved(options.verbose));
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::int64_t begin = step * options.batch_size;
    trainer.test(data.slice(begin, std::min(options.batch_size, data.rows() - begin)));
    bar.update(step + 1, trainer.logs());
  }
  bar.finish(steps, trainer.logs());
  return trainer.logs();
}

Logs Model::evaluate(const Tensor& x, const Tensor& y, const EvaluateOptions& options) {
  return evaluate(std::vector<Tensor>{x}, std::vector<Tensor>{y}, options);
}

Logs Model::evaluate(const Tensor& x, const Tensor& y) {
  return evaluate(x, y, EvaluateOptions{});
}

Logs Model::train_on_batch(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
                           const Tensor& sample_weight) {
  training::Trainer& trainer = *compiled(training_, *this, "train_on_batch").trainer;
  const training::Data data({x, y, sample_weight}, "the batch");
  training::Batch batch = data.slice(0, data.rows());
  batch.x = standardize(x);
  trainer.refresh();
  trainer.prepare(batch);
  trainer.reset_metrics();
  trainer.train(batch);
  return trainer.logs();
}

Logs Model::train_on_batch(const Tensor& x, const Tensor& y, const Tensor& sample_weight) {
  return train_on_batch(std::vector<Tensor>{x}, std::vector<Tensor>{y}, sample_weight);
}

}  // namespace lamina
