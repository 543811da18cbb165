#include "training/feed.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <span>

#include "training/read_ahead.h"

namespace lamina::training {
namespace {

class ArrayFeed : public Feed {
 public:
  ArrayFeed(Data data, std::int64_t batch_size, bool shuffle)
      : data_(std::move(data)), batch_size_(batch_size), shuffle_(shuffle) {}

  std::int64_t rows() const override { return data_.rows(); }
  std::int64_t batch_size() const override { return batch_size_; }
  std::int64_t steps() const override { return (data_.rows() + batch_size_ - 1) / batch_size_; }
  Batch sample(std::uint64_t) override {
    return data_.slice(0, std::min(batch_size_, data_.rows()));
  }
  void begin_epoch(std::uint64_t seed, std::int64_t epoch, std::int64_t) override {
    if (shuffle_) order_ = shuffled(data_.rows(), seed, epoch);
  }
  Batch batch(std::int64_t index) override {
    const std::int64_t begin = index * batch_size_;
    const std::int64_t count = std::min(batch_size_, data_.rows() - begin);
    if (order_.empty()) return data_.slice(begin, count);
    return data_.gather(std::span(order_).subspan(static_cast<std::size_t>(begin),
                                                  static_cast<std::size_t>(count)));
  }

 private:
  Data data_;
  std::int64_t batch_size_;
  bool shuffle_;
  std::vector<std::int64_t> order_;
};

class LoaderFeed : public Feed {
 public:
  LoaderFeed(DataLoaderPtr loader, Standardize standardize)
      : loader_(std::move(loader)), standardize_(std::move(standardize)) {
    if (!loader_) throw ValueError("The data loader is null.");
    steps_ = loader_->batches();
    if (steps_ < 1) {
      throw ValueError(fmt::format("The data loader has {} batches; expected 1 at least.", steps_));
    }
  }

  std::int64_t rows() const override { return 0; }
  std::int64_t batch_size() const override { return 0; }
  std::int64_t steps() const override { return steps_; }
  Batch sample(std::uint64_t seed) override {
    ahead_.reset();
    return checked(loader_->batch(0, 0, seed));
  }
  void begin_epoch(std::uint64_t seed, std::int64_t epoch, std::int64_t first) override {
    ahead_.reset();  // it may be in the loader: calls do not overlap
    ahead_ = std::make_unique<ReadAhead>(first, steps_, [=, this](std::int64_t index) {
      return loader_->batch(epoch, index, seed);
    });
  }
  Batch batch(std::int64_t) override { return checked(ahead_->next()); }

 private:
  Batch checked(DataSet set) const {
    const Data data(std::move(set), "a batch of the data loader");
    Batch batch = data.slice(0, data.rows());
    batch.x = standardize_(batch.x);
    return batch;
  }

  DataLoaderPtr loader_;
  Standardize standardize_;
  std::int64_t steps_;
  std::unique_ptr<ReadAhead> ahead_;
};

}  // namespace

std::unique_ptr<Feed> array_feed(Data data, std::int64_t batch_size, bool shuffle) {
  return std::make_unique<ArrayFeed>(std::move(data), batch_size, shuffle);
}

std::unique_ptr<Feed> loader_feed(DataLoaderPtr loader, Standardize standardize) {
  return std::make_unique<LoaderFeed>(std::move(loader), std::move(standardize));
}

}  // namespace lamina::training
