#pragma once
#include <lamina/data_loader.h>

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "training/fit/data.h"

namespace lamina::training {

/// Where `fit`, `evaluate` and `predict` take their batches from: passes over data, each of as many
/// batches.
class Feed {
 public:
  virtual ~Feed() = default;
  /// Samples a pass and in a full batch; 0 where a loader alone knows.
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  [[nodiscard]] virtual std::int64_t batch_size() const = 0;
  /// Batches a pass, or DataLoader::kEndless.
  [[nodiscard]] virtual std::int64_t batches() const = 0;
  /// A batch to prepare for.
  [[nodiscard]] virtual Batch sample(std::uint64_t seed) = 0;
  /// The batches [first, end) of this pass are asked for next, in order.
  void begin(std::uint64_t seed, std::int64_t pass, std::int64_t first, std::int64_t end);
  [[nodiscard]] Batch next();
  /// What next() will give, where it is there without waiting for it; null also where making it
  /// failed, which next() throws. Stays the feed's.
  [[nodiscard]] Batch* ahead() noexcept;
  /// No more of them is wanted: returns when nothing is being read ahead.
  void end();

 protected:
  virtual void start(std::uint64_t seed, std::int64_t pass, std::int64_t first,
                     std::int64_t end) = 0;
  virtual void stop() {}
  /// The next batch, and whether there is one that need not be waited for.
  [[nodiscard]] virtual Batch take() = 0;
  [[nodiscard]] virtual bool is_ready() = 0;

 private:
  void forget_ahead();

  std::optional<Batch> ahead_;
  std::exception_ptr failure_;  ///< of making it
};

/// Of arrays, in their order or a new one each pass.
[[nodiscard]] std::unique_ptr<Feed> array_feed(Data data, std::int64_t batch_size, bool shuffle);

/// Of a loader, read ahead on a thread, its batches in their order or, unless it is endless, a new
/// one each pass. Each sample's weight is multiplied by that of its class. `what` is the loader in
/// messages: "the data loader". Throws ValueError for one without batches.
[[nodiscard]] std::unique_ptr<Feed> loader_feed(DataLoaderPtr loader, const char* what,
                                                Standardize standardize,
                                                std::map<std::int64_t, double> class_weight = {},
                                                bool shuffle = false);

/// What one epoch takes of the data: `count` batches of a pass, from `first` on.
struct Stretch {
  std::int64_t pass = 0, first = 0, count = 0;
  [[nodiscard]] std::int64_t end() const noexcept { return first + count; }
};

/// Which batches each epoch takes, as in Keras: one pass; or, where steps are given, that many
/// batches from where the epoch before stopped, and no more than are left of the pass. A
/// function of the epoch alone. Throws ValueError for endless data without steps, naming the
/// `option` that gives them.
class EpochPlan {
 public:
  EpochPlan(std::int64_t batches, std::optional<std::int64_t> steps_per_epoch, const char* option,
            std::int64_t first_epoch);
  [[nodiscard]] Stretch of(std::int64_t epoch) const;
  /// What an epoch has if the data do not run out.
  [[nodiscard]] std::int64_t steps() const noexcept { return steps_; }

 private:
  std::int64_t batches_, steps_, first_epoch_;
};

}  // namespace lamina::training
