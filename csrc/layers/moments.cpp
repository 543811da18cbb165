#include "layers/moments.h"

#include <algorithm>

namespace lamina::layers {
namespace {

/// Which place an element belongs to. The last axes that are all kept, or all not, are a run.
class Places {
 public:
  Places(const Shape& shape, const std::vector<std::size_t>& kept) {
    const auto is_kept = [&](std::size_t axis) {
      return std::binary_search(kept.begin(), kept.end(), axis);
    };
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      const bool in_run = axes_.empty() && is_kept(axis) == is_kept(shape.rank() - 1);
      const std::int64_t size = shape.dims()[axis];
      if (in_run) {
        run_ *= size;
      } else {
        axes_.push_back({size, is_kept(axis) ? count_ : 0});
      }
      if (is_kept(axis)) count_ *= size;
    }
    step_ = shape.rank() > 0 && is_kept(shape.rank() - 1) ? 1 : 0;
  }

  /// How many places there are.
  [[nodiscard]] std::int64_t count() const noexcept { return count_; }
  /// Elements that follow each other.
  [[nodiscard]] std::int64_t run() const noexcept { return run_; }
  /// From one element of a run to the next.
  [[nodiscard]] std::int64_t step() const noexcept { return step_; }
  /// Of a run's first element.
  [[nodiscard]] std::int64_t first(std::int64_t run) const {
    std::int64_t place = 0;
    for (const Axis& axis : axes_) {
      place += run % axis.size * axis.stride;
      run /= axis.size;
    }
    return place;
  }

 private:
  struct Axis {
    std::int64_t size, stride;
  };
  std::vector<Axis> axes_;  // the others, the last one first
  std::int64_t count_ = 1, run_ = 1, step_ = 0;
};

/// take(place, value) of each element, in order.
template <class Take>
void each_element(Tensor data, const Places& places, const Take& take) {
  constexpr std::int64_t kPart = 1 << 16;  // elements that are doubles at a time
  std::int64_t run = 0, within = 0, place = places.first(0);
  for (std::int64_t begin = 0; begin < data.size(); begin += kPart) {
    const std::int64_t count = std::min(kPart, data.size() - begin);
    auto* const from = static_cast<std::byte*>(data.raw()) +
                       static_cast<std::size_t>(begin) * dtype_size(data.dtype());
    const Tensor part = Tensor::view(from, {count}, data.dtype(), nullptr).cast(DType::kFloat64);
    for (const double value : part.data<double>()) {
      take(static_cast<std::size_t>(place), value);
      place += places.step();
      if (++within < places.run()) continue;
      within = 0;
      place = places.first(++run);
    }
  }
}

}  // namespace

Moments moments_of(const Tensor& data, const std::vector<std::size_t>& kept) {
  if (data.size() == 0) return {};
  const Places places(data.shape(), kept);
  const auto size = static_cast<std::size_t>(places.count());
  Moments moments{std::vector<double>(size), std::vector<double>(size),
                  data.size() / places.count()};
  const auto count = static_cast<double>(moments.count);
  each_element(data, places,
               [&](std::size_t place, double value) { moments.mean[place] += value; });
  for (double& mean : moments.mean) mean /= count;
  each_element(data, places, [&](std::size_t place, double value) {
    const double distance = value - moments.mean[place];
    moments.variance[place] += distance * distance;
  });
  for (double& variance : moments.variance) variance /= count;
  return moments;
}

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  if (count == 0) {
    *this = other;
    return;
  }
  count += other.count;
  const double share = static_cast<double>(other.count) / static_cast<double>(count);
  const double rest = 1 - share;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double distance = other.mean[i] - mean[i];
    variance[i] =
        variance[i] * rest + other.variance[i] * share + distance * distance * rest * share;
    mean[i] += distance * share;
  }
}

}  // namespace lamina::layers
