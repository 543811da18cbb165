// The members of Model that train it.
#include <fmt/format.h>
#include <lamina/data_loader.h>
#include <lamina/log.h>
#include <lamina/training.h>

#include "models/run/batching.h"
#include "models/weights/pending_saves.h"
#include "models/weights/training_parts.h"
#include "training/fit/evaluation.h"
#include "training/fit/fit_loop.h"
#include "training/fit/trainer.h"

namespace lamina {
namespace {

models::TrainingParts& compiled(const std::shared_ptr<models::TrainingParts>& parts,
                                const Model& model, const char* method) {
  if (parts) return *parts;
  throw ValueError(fmt::format("You must call `compile()` before calling `{}()` on model '{}'.",
                               method, model.name()));
}

/// A running `fit` holds the losses, the metrics and the optimizer.
void require_no_fit(const std::shared_ptr<models::TrainingParts>& parts, const Model& model,
                    const char* method) {
  if (!parts || parts->state.empty()) return;
  throw ValueError(
      fmt::format("`{}()` was called while `fit()` trains model '{}'.", method, model.name()));
}

models::TrainingParts& ready_to_fit(const std::shared_ptr<models::TrainingParts>& parts,
                                    const Model& model) {
  require_no_fit(parts, model, "fit");
  return compiled(parts, model, "fit");
}

/// Of arrays whose inputs fit the model.
std::unique_ptr<training::Feed> validation_feed(training::Data data, const FitOptions& options) {
  const auto& asked =
      options.validation_batch_size ? options.validation_batch_size : options.batch_size;
  const std::int64_t size = models::batch_size_of(asked, options.validation_steps, data.rows());
  return training::array_feed(std::move(data), size, false);
}

/// Arrays that are something, and whose inputs fit the model.
training::Data fitting(DataSet set, const training::Standardize& standardize, const char* what) {
  const training::Data given(set, what);
  return {training::standardized(std::move(set), standardize, what), what};
}

/// Null without validation data.
std::unique_ptr<training::Feed> validation_feed(const FitOptions& options,
                                                const training::Standardize& standardize) {
  constexpr const char* kWhat = "the validation data";
  if (const auto* loader = std::get_if<DataLoaderPtr>(&options.validation_data)) {
    return training::loader_feed(*loader, kWhat, standardize);
  }
  const auto* set = std::get_if<DataSet>(&options.validation_data);
  if (set == nullptr) return nullptr;
  return validation_feed(fitting(*set, standardize, kWhat), options);
}

Logs evaluated(training::Trainer& trainer, const std::unique_ptr<training::Feed>& feed,
               const EvaluateOptions& options) {
  training::OnePass data(*feed, options.steps, "steps", "evaluation");
  training::ProgressBar bar(data.steps(), training::ProgressBar::resolved(options.verbose));
  return training::evaluate(trainer, data, &bar);
}

/// One batch as it was given.
training::Batch one_batch(DataSet set, const training::Standardize& standardize) {
  const training::Data data = fitting(std::move(set), standardize, "the batch");
  return data.slice(0, data.rows());
}

}  // namespace

void Model::compile(CompileArguments arguments) {
  require_no_fit(training_, *this, "compile");
  auto parts = std::make_shared<models::TrainingParts>();
  OptimizerPtr& optimizer = arguments.optimizer.optimizer;
  parts->given = optimizer;
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
  models::TrainingParts& parts = ready_to_fit(training_, *this);
  training::check(options);
  const training::Standardize standard = [this](const auto& inputs) { return standardize(inputs); };
  training::Data data = fitting({x, y, options.sample_weight}, standard, "the training data");
  auto validation = validation_feed(options, standard);
  if (!validation && options.validation_split > 0) {
    auto [first, last] = data.split(options.validation_split);
    data = std::move(first);
    validation = validation_feed(std::move(last), options);
  }
  data.weigh(options.class_weight);
  const std::int64_t size =
      models::batch_size_of(options.batch_size, options.steps_per_epoch, data.rows());
  return training::FitLoop(*this, parts,
                           training::array_feed(std::move(data), size, options.shuffle),
                           std::move(validation), options)
      .run();
}

History Model::fit(const DataLoaderPtr& loader, const FitOptions& options) {
  models::TrainingParts& parts = ready_to_fit(training_, *this);
  training::check(options);
  if (options.validation_split > 0 || options.sample_weight.defined()) {
    throw ValueError(
        "`validation_split` and `sample_weight` need arrays: a data loader gives each batch its "
        "weights, and `validation_data` is given by itself.");
  }
  const training::Standardize standard = [this](const auto& inputs) { return standardize(inputs); };
  auto feed = training::loader_feed(loader, "the training data", standard, options.class_weight,
                                    options.shuffle);
  if (options.shuffle && feed->batches() == DataLoader::kEndless) {
    warn(
        "`shuffle=True` was passed, but will be ignored since the data `x` was provided as an "
        "infinite DataLoader. The DataLoader is expected to already be shuffled.");
  }
  return training::FitLoop(*this, parts, std::move(feed), validation_feed(options, standard),
                           options)
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
  models::require_positive("batch_size", options.batch_size);
  models::require_positive("steps", options.steps);
  training::Data data = fitting(
      {x, y, options.sample_weight}, [this](const auto& inputs) { return standardize(inputs); },
      "the data");
  const std::int64_t size = models::batch_size_of(options.batch_size, options.steps, data.rows());
  return evaluated(*parts.trainer, training::array_feed(std::move(data), size, false), options);
}

Logs Model::evaluate(const DataLoaderPtr& loader, const EvaluateOptions& options) {
  models::TrainingParts& parts = compiled(training_, *this, "evaluate");
  models::require_positive("steps", options.steps);
  if (options.sample_weight.defined()) {
    throw ValueError("`sample_weight` needs arrays: a data loader gives each batch its weights.");
  }
  return evaluated(
      *parts.trainer,
      training::loader_feed(loader, "the data",
                            [this](const auto& inputs) { return standardize(inputs); }),
      options);
}

Logs Model::evaluate(const DataLoaderPtr& loader) {
  return evaluate(loader, EvaluateOptions{});
}

Logs Model::evaluate(const Tensor& x, const Tensor& y, const EvaluateOptions& options) {
  return evaluate(std::vector<Tensor>{x}, std::vector<Tensor>{y}, options);
}

Logs Model::evaluate(const Tensor& x, const Tensor& y) {
  return evaluate(x, y, EvaluateOptions{});
}

Logs Model::train_on_batch(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
                           const SampleWeights& sample_weight) {
  training::Trainer& trainer = *compiled(training_, *this, "train_on_batch").trainer;
  const training::Batch batch =
      one_batch({x, y, sample_weight}, [this](const auto& inputs) { return standardize(inputs); });
  trainer.require_same_trainable();
  trainer.prepare(batch);
  trainer.reset_metrics();
  trainer.train(batch);
  return trainer.logs();
}

Logs Model::test_on_batch(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
                          const SampleWeights& sample_weight) {
  training::Trainer& trainer = *compiled(training_, *this, "test_on_batch").trainer;
  const training::Batch batch =
      one_batch({x, y, sample_weight}, [this](const auto& inputs) { return standardize(inputs); });
  trainer.reset_metrics();
  trainer.test(batch);
  return trainer.logs();
}

Logs Model::test_on_batch(const Tensor& x, const Tensor& y, const SampleWeights& sample_weight) {
  return test_on_batch(std::vector<Tensor>{x}, std::vector<Tensor>{y}, sample_weight);
}

Logs Model::train_on_batch(const Tensor& x, const Tensor& y, const SampleWeights& sample_weight) {
  return train_on_batch(std::vector<Tensor>{x}, std::vector<Tensor>{y}, sample_weight);
}

}  // namespace lamina
