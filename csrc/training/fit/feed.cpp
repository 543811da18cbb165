#include "training/fit/feed.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <span>
#include <utility>

#include "training/fit/read_ahead.h"

namespace lamina::training {
namespace {

class ArrayFeed : public Feed {
 public:
  ArrayFeed(Data data, std::int64_t batch_size, bool shuffle)
      : data_(std::move(data)), batch_size_(batch_size), shuffle_(shuffle) {}

  std::int64_t rows() const override { return data_.rows(); }
  std::int64_t batch_size() const override { return batch_size_; }
  std::int64_t batches() const override { return (data_.rows() + batch_size_ - 1) / batch_size_; }
  Batch sample(std::uint64_t) override {
    return data_.slice(0, std::min(batch_size_, data_.rows()));
  }

 protected:
  void start(std::uint64_t seed, std::int64_t pass, std::int64_t first, std::int64_t end) override {
    if (shuffle_) order_ = shuffled(data_.rows(), seed, pass);
    next_ = first;
    end_ = end;
  }
  bool is_ready() override { return next_ < end_; }
  Batch take() override {
    const std::int64_t begin = next_++ * batch_size_;
    const std::int64_t count = std::min(batch_size_, data_.rows() - begin);
    if (order_.empty()) return data_.slice(begin, count);
    return data_.gather(std::span(order_).subspan(static_cast<std::size_t>(begin),
                                                  static_cast<std::size_t>(count)));
  }

 private:
  Data data_;
  std::int64_t batch_size_;
  bool shuffle_;
  std::int64_t next_ = 0, end_ = 0;
  std::vector<std::int64_t> order_;
};

class LoaderFeed : public Feed {
 public:
  LoaderFeed(DataLoaderPtr loader, const char* what, Standardize standardize,
             std::map<std::int64_t, double> class_weight, bool shuffle)
      : loader_(std::move(loader)),
        what_(what),
        standardize_(std::move(standardize)),
        class_weight_(std::move(class_weight)) {
    if (!loader_) throw ValueError(fmt::format("The data loader of {} is null.", what_));
    batches_ = loader_->batches();
    if (batches_ < 1) {
      throw ValueError(fmt::format("The data loader of {} has {} batches; expected 1 at least.",
                                   what_, batches_));
    }
    shuffle_ = shuffle && batches_ != DataLoader::kEndless;
  }

  std::int64_t rows() const override { return 0; }
  std::int64_t batch_size() const override { return 0; }
  std::int64_t batches() const override { return batches_; }
  Batch sample(std::uint64_t seed) override {
    reader_.reset();
    return checked(loader_->batch(0, 0, seed), 0);
  }

 protected:
  void start(std::uint64_t seed, std::int64_t pass, std::int64_t first, std::int64_t end) override {
    reader_.reset();  // it may be in the loader: calls do not overlap
    if (shuffle_) order_ = shuffled(batches_, seed, pass);
    next_ = first;
    reader_ = std::make_unique<ReadAhead>(first, end, [=, this](std::int64_t place) {
      return loader_->batch(pass, index_at(place), seed);
    });
  }
  bool is_ready() override { return reader_->has_next(); }
  Batch take() override {
    DataSet set = reader_->next();
    return checked(std::move(set), index_at(next_++));
  }
  void stop() override { reader_.reset(); }

 private:
  /// Which of the loader's batches comes at a place of the pass.
  [[nodiscard]] std::int64_t index_at(std::int64_t place) const {
    return shuffle_ ? order_[static_cast<std::size_t>(place)] : place;
  }
  Batch checked(DataSet set, std::int64_t index) const {
    const std::string name = fmt::format("batch {} of {}", index, what_);
    const Data given(set, name);
    Data data(standardized(std::move(set), standardize_, name), name);
    data.weigh(class_weight_);
    return data.slice(0, data.rows());
  }

  DataLoaderPtr loader_;
  const char* what_;
  Standardize standardize_;
  std::map<std::int64_t, double> class_weight_;
  std::int64_t batches_, next_ = 0;
  bool shuffle_ = false;
  std::vector<std::int64_t> order_;    // of this pass, when shuffled
  std::unique_ptr<ReadAhead> reader_;  // last: it reads the rest
};

}  // namespace

void Feed::begin(std::uint64_t seed, std::int64_t pass, std::int64_t first, std::int64_t end) {
  forget_ahead();
  start(seed, pass, first, end);
}

Batch Feed::next() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (!ahead_) return take();
  Batch out = std::move(*ahead_);
  ahead_.reset();
  return out;
}

Batch* Feed::ahead() noexcept {
  if (!ahead_ && !failure_) {
    try {
      if (is_ready()) ahead_ = take();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  return ahead_ ? &*ahead_ : nullptr;
}

void Feed::end() {
  forget_ahead();
  stop();
}

void Feed::forget_ahead() {
  ahead_.reset();
  failure_ = nullptr;
}

std::unique_ptr<Feed> array_feed(Data data, std::int64_t batch_size, bool shuffle) {
  return std::make_unique<ArrayFeed>(std::move(data), batch_size, shuffle);
}

std::unique_ptr<Feed> loader_feed(DataLoaderPtr loader, const char* what, Standardize standardize,
                                  std::map<std::int64_t, double> class_weight, bool shuffle) {
  return std::make_unique<LoaderFeed>(std::move(loader), what, std::move(standardize),
                                      std::move(class_weight), shuffle);
}

EpochPlan::EpochPlan(std::int64_t batches, std::optional<std::int64_t> steps_per_epoch,
                     const char* option, std::int64_t first_epoch)
    : batches_(batches), steps_(steps_per_epoch.value_or(batches)), first_epoch_(first_epoch) {
  if (steps_ != DataLoader::kEndless) return;
  throw ValueError(
      fmt::format("The data loader is endless: `{}` has to say when to stop.", option));
}

Stretch EpochPlan::of(std::int64_t epoch) const {
  const std::int64_t epochs_a_pass = batches_ / steps_ + (batches_ % steps_ != 0 ? 1 : 0);
  const std::int64_t done = epoch - first_epoch_;
  const std::int64_t first = done % epochs_a_pass * steps_;
  return {first_epoch_ + done / epochs_a_pass, first, std::min(steps_, batches_ - first)};
}

}  // namespace lamina::training
