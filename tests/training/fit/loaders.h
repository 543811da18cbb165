#pragma once
#include <lamina/data_loader.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "tests/training/fit_helpers.h"

namespace lamina::test {

inline ModelPtr compiled_classifier(std::uint64_t seed = 1) {
  const ModelPtr model = classifier(seed);
  model->compile(
      {.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  return model;
}

/// The rows of arrays in their order, ten a batch, the last one smaller. Notes what it was asked
/// for, and that calls do not overlap.
class Rows : public DataLoader {
 public:
  explicit Rows(const Spokes& data, bool endless = false) : data_(data), endless_(endless) {}
  std::int64_t batches() const override { return endless_ ? kEndless : there(); }
  DataSet batch(std::int64_t epoch, std::int64_t index, std::uint64_t seed) override {
    EXPECT_FALSE(inside_.exchange(true)) << "calls overlap";
    asked.push_back({epoch, index, static_cast<std::int64_t>(seed)});
    if (index == fails_at) throw Error("no batch " + std::to_string(index));
    const std::int64_t first = 10 * (index % there());
    const std::int64_t rows = std::min<std::int64_t>(10, data_.x.shape()[0] - first);
    DataSet out{Tensor::empty({rows, 4}), Tensor::empty({rows}, DType::kInt64)};
    const auto begin = static_cast<std::size_t>(first), count = static_cast<std::size_t>(rows);
    for (std::size_t i = 0; i < 4 * count; ++i)
      out.x[0].data<float>()[i] = data_.x.data<float>()[4 * begin + i];
    for (std::size_t i = 0; i < count; ++i)
      out.y[0].data<std::int64_t>()[i] = data_.y.data<std::int64_t>()[begin + i];
    if (index == narrow_at) out.x[0] = Tensor::zeros({rows, 3});
    if (without_labels) out.y.clear();
    inside_ = false;
    return out;
  }

  std::vector<std::array<std::int64_t, 3>> asked;
  std::int64_t fails_at = -1, narrow_at = -1;
  bool without_labels = false;

 private:
  [[nodiscard]] std::int64_t there() const { return (data_.x.shape()[0] + 9) / 10; }

  const Spokes& data_;
  bool endless_;
  std::atomic<bool> inside_ = false;
};

}  // namespace lamina::test
