#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <limits>
#include <memory>

namespace lamina {

/// Batches for `Model::fit`, `evaluate` and `predict` that are made as they are needed: read from
/// files, augmented, drawn. What keras.utils.PyDataset is; to write one, derive.
///
/// The batches of an epoch are asked for in the order in which they are taken, on a thread of its
/// own, a few ahead of the step that takes them, so that both run at once. Calls never overlap, one
/// loader for training and validation included, and what one throws `fit` throws when it comes to
/// that batch.
class DataLoader {
 public:
  /// Batches without an end: for `fit`, `evaluate` and `predict` with so many steps.
  static constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();

  virtual ~DataLoader() = default;
  /// Batches in all, at least 1, or kEndless.
  [[nodiscard]] virtual std::int64_t batches() const = 0;
  /// Batch `index` of `epoch`, both from 0. For an exact resume it must depend on these and `seed`
  /// (FitOptions::seed) alone. Training takes the batches in a new order each epoch, unless they
  /// are endless or FitOptions::shuffle is false; whatever else takes them, in their order. With
  /// `FitOptions::steps_per_epoch` `epoch` counts passes over the batches; evaluation, validation
  /// and prediction ask for epoch 0 with seed 0. The batches' shapes may differ; three shapes are
  /// kept compiled. `predict` needs no labels.
  [[nodiscard]] virtual DataSet batch(std::int64_t epoch, std::int64_t index,
                                      std::uint64_t seed) = 0;
};

using DataLoaderPtr = std::shared_ptr<DataLoader>;

}  // namespace lamina
