#pragma once
#include <lamina/data_loader.h>

#include <functional>
#include <memory>
#include <vector>

#include "training/data.h"

namespace lamina::training {

/// Where `fit` takes its batches from.
class Feed {
 public:
  virtual ~Feed() = default;
  /// Samples an epoch and in a full batch; 0 where a loader alone knows.
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  [[nodiscard]] virtual std::int64_t batch_size() const = 0;
  /// Batches an epoch.
  [[nodiscard]] virtual std::int64_t steps() const = 0;
  /// A batch to prepare for.
  [[nodiscard]] virtual Batch sample(std::uint64_t seed) = 0;
  /// The batches from `first` on are asked for next, in order.
  virtual void begin_epoch(std::uint64_t seed, std::int64_t epoch, std::int64_t first) = 0;
  [[nodiscard]] virtual Batch batch(std::int64_t index) = 0;
};

/// Of arrays, in their order or a new one each epoch.
[[nodiscard]] std::unique_ptr<Feed> array_feed(Data data, std::int64_t batch_size, bool shuffle);

/// Of a loader, read ahead on a thread. `standardize` fits inputs to the model's placeholders.
/// Throws ValueError for a loader without batches.
using Standardize = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
[[nodiscard]] std::unique_ptr<Feed> loader_feed(DataLoaderPtr loader, Standardize standardize);

}  // namespace lamina::training
