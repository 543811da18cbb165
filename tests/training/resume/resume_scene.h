#pragma once
#include "tests/training/fit_helpers.h"

namespace lamina::test {

/// A classifier whose optimizer has every kind of state: a schedule, slots, accumulated gradients.
inline ModelPtr compiled(std::uint64_t seed) {
  const ModelPtr model = classifier(seed);
  model->compile(
      {.optimizer = optimizers::Adam({.learning_rate = schedules::CosineDecay(
                                          {.initial_learning_rate = 0.05, .decay_steps = 40}),
                                      .gradient_accumulation_steps = 2}),
       .loss = "sparse_categorical_crossentropy",
       .metrics = {"accuracy"}});
  return model;
}

/// Of a run of 4 epochs, of 6 batches each where there are 60 samples.
inline FitOptions options(std::vector<CallbackPtr> callbacks) {
  return {.batch_size = 9,
          .epochs = 4,
          .verbose = Verbose::kSilent,
          .callbacks = std::move(callbacks),
          .validation_split = 0.2,
          .seed = 5};
}

}  // namespace lamina::test
