#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lamina::training {

/// Where the samples of a batch stand in what the user gave.
struct Origin {
  std::string what = "the batch";
  std::int64_t first = 0;
  std::vector<std::int64_t> rows = {};  ///< behind `first`; empty: one after the other
  /// "sample 17 of the training data".
  [[nodiscard]] std::string sample(std::int64_t i) const;
};

struct SentBatch;

/// What one step is made of.
struct Batch {
  std::vector<Tensor> x, y;
  SampleWeights weight;
  Origin origin = {};
  std::shared_ptr<SentBatch> sent = {};  ///< what has been done for the step ahead of it
  [[nodiscard]] std::int64_t rows() const { return x.empty() ? 0 : x.front().shape()[0]; }
};

/// Arrays on host memory that batches are taken from. `what` names them in messages: "the
/// validation data". Throws ValueError when there are no samples, numbers of samples differ, or
/// weights are of more or fewer outputs than there are labels.
class Data {
 public:
  Data(DataSet set, std::string what);

  [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] const DataSet& set() const noexcept { return set_; }
  /// Rows [begin, begin + count), without copying.
  [[nodiscard]] Batch slice(std::int64_t begin, std::int64_t count) const;
  /// The rows of these numbers, copied.
  [[nodiscard]] Batch gather(std::span<const std::int64_t> rows) const;
  /// The first rows, and the last `fraction` of them. Throws ValueError when either has none.
  [[nodiscard]] std::pair<Data, Data> split(double fraction) const;
  /// Multiplies each sample's weight by that of its class. Throws ValueError when the labels of the
  /// one output name no classes.
  void weigh(const std::map<std::int64_t, double>& class_weight);

 private:
  DataSet set_;
  std::string what_;
  std::string given_as_;    // what the user calls the arrays that this was split from
  std::int64_t first_ = 0;  // row of these
  std::int64_t rows_ = 0;
};

/// Fits inputs to the model's placeholders.
using Standardize = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
/// The set with its inputs standardized. Throws what that throws, naming the set: "the validation
/// data".
[[nodiscard]] DataSet standardized(DataSet set, const Standardize& standardize,
                                   const std::string& what);

/// A permutation of [0, count) that depends on seed and epoch alone.
[[nodiscard]] std::vector<std::int64_t> shuffled(std::int64_t count, std::uint64_t seed,
                                                 std::int64_t epoch);

}  // namespace lamina::training
