#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <memory>

namespace lamina {

/// Batches for `Model::fit` that are made as they are needed: read from files, augmented, drawn.
/// What keras.utils.PyDataset is; to write one, derive.
///
/// `fit` asks for the batches of an epoch in order, on a thread of its own, a few ahead of the step
/// that trains on them, so that both run at once. Calls never overlap, and what one throws `fit`
/// throws when it comes to that batch.
class DataLoader {
 public:
  virtual ~DataLoader() = default;
  /// Batches an epoch, at least 1.
  [[nodiscard]] virtual std::int64_t batches() const = 0;
  /// Batch `index` of `epoch`, both from 0. For an exact resume it must depend on these and `seed`
  /// (FitOptions::seed) alone. The batches' shapes may differ; three shapes are kept compiled.
  [[nodiscard]] virtual DataSet batch(std::int64_t epoch, std::int64_t index,
                                      std::uint64_t seed) = 0;
};

using DataLoaderPtr = std::shared_ptr<DataLoader>;

}  // namespace lamina
