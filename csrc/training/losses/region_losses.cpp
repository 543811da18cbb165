// Losses of regions, whose sums are over axes that one chooses.
#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/losses.h>

#include <algorithm>

#include "training/losses/rows.h"

namespace lamina::losses {
namespace {

using Axes = std::optional<std::vector<std::int64_t>>;

template <class F>
class RegionLoss : public LossOf<F> {
 public:
  RegionLoss(std::string name, Reduction reduction, F f, Axes axes)
      : LossOf<F>(std::move(name), reduction, f), axes_(std::move(axes)) {}

 protected:
  std::vector<std::size_t> row_axes(std::size_t rank) const override {
    std::vector<std::size_t> out;
    const auto axes = static_cast<std::int64_t>(rank);
    if (!axes_) {
      for (std::size_t axis = 0; axis < rank; ++axis) out.push_back(axis);
      return out;
    }
    for (const std::int64_t axis : *axes_) {
      if (axis < -axes || axis >= axes) {
        throw ValueError(
            fmt::format("Loss '{}': the axis {} is out of bounds for `y_pred` of {} axes.",
                        this->name(), axis, rank));
      }
      out.push_back(static_cast<std::size_t>(axis < 0 ? axis + axes : axis));
    }
    std::sort(out.begin(), out.end());
    const auto twice = std::adjacent_find(out.begin(), out.end());
    if (twice == out.end()) return out;
    throw ValueError(
        fmt::format("Loss '{}': the axis {} is there twice in `axis`.", this->name(), *twice));
  }

 private:
  Axes axes_;
};

template <class F>
LossPtr region_loss(std::string name, Reduction reduction, F f, Axes axes) {
  return std::make_shared<RegionLoss<F>>(std::move(name), reduction, f, std::move(axes));
}

}  // namespace

LossPtr Dice(DiceOptions options) {
  return described("Dice", options,
                   region_loss(named(options.name, "dice"), options.reduction, kernels::DiceOfRow{},
                               options.axis));
}

LossPtr Tversky(TverskyOptions options) {
  return described("Tversky", options,
                   region_loss(named(options.name, "tversky"), options.reduction,
                               kernels::TverskyOfRow{static_cast<float>(options.alpha),
                                                     static_cast<float>(options.beta)},
                               options.axis));
}

}  // namespace lamina::losses
