#include "cli/train_compile.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/training.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/text.h"
#include "core/tell.h"
#include "models/weights/access.h"
#include "models/weights/training_parts.h"
#include "training/by_name.h"
#include "training/fit/trainer.h"
#include "training/object_config.h"

namespace lamina::cli {
namespace {

/// By its name alone it may be what fits the data, and is called in logs as it was given.
MetricArgument metric_of(const std::string& words) {
  if (words.find_first_of(":(") == std::string::npos) return words;
  return training::make_metric(words);
}

/// As the model was compiled before; without a loss where it was not.
CompileArguments arguments_of(const Model& model) {
  const auto& parts = models::Access::training_parts(model);
  return parts ? parts->trainer->arguments() : CompileArguments{};
}

/// Of the same class and options, the learning rate of now among them, and without a state.
OptimizerPtr made_anew(const Optimizer& optimizer) {
  return training::optimizer_from(training::optimizer_object(optimizer));
}

/// The optimizer's class; where it scales the loss for another, that one's.
std::string class_of(const Optimizer& optimizer) {
  const OptimizerPtr inner = optimizer.inner_optimizer();
  return inner ? inner->class_name() : optimizer.class_name();
}

}  // namespace

void compile_by(const CompileWords& words, Model& model, const std::string& source,
                bool other_weights) {
  const OptimizerPtr before = model.optimizer();
  if (!before && words.loss.empty()) {
    throw ValueError(fmt::format(
        "--loss is required: '{}' does not say how it was compiled, or nothing that can be used",
        printable(source)));
  }
  CompileArguments compile = arguments_of(model);
  if (!words.loss.empty()) {
    compile.loss = training::make_loss(words.loss);
    compile.loss_weights = LossWeights();
  }
  if (!words.optimizer.empty()) {
    compile.optimizer = training::make_optimizer(words.optimizer);
  } else if (before && other_weights) {
    compile.optimizer = made_anew(*before);
  }
  if (!words.metrics.empty()) {
    compile.metrics.clear();
    for (const std::string& metric : words.metrics) compile.metrics.push_back(metric_of(metric));
  }
  model.compile(std::move(compile));
  if (!before || before->steps() == 0 || other_weights) return;
  if (model.optimizer() == before) {
    core::tell(stderr, "The optimizer goes on as '{}' has it: step {}, learning rate {}.\n",
               printable(source), before->steps(), static_cast<float>(before->learning_rate()));
  } else {
    core::tell(stderr,
               "The optimizer begins afresh: '{}' was trained by {}, which goes on without "
               "--optimizer.\n",
               printable(source), printable(class_of(*before)));
  }
}

}  // namespace lamina::cli
