// Lamb goes as far as a share of each variable's norm: a pass over all of them for the norms, and
// one that steps.
#include <lamina/optimizers.h>

#include <array>
#include <cmath>
#include <type_traits>
#include <vector>

#include "training/described/description.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using kernels::LambStep;
using kernels::NormSquares;
using training::compute_t;
using training::kBlock;
using training::Update;
using training::UpdateItem;

/// Adds the squares of one block to `sum`.
template <class S, class T>
void add_squares(const Update& update, const UpdateItem& item, const LambStep<T>& rule,
                 std::int64_t begin, std::int64_t count, NormSquares& sum) {
  std::array<T, kBlock> w, g, momentum, velocity;
  training::load<S>(item.value, begin, count, w.data());
  training::load_gradient<S>(kernels::gradient_rule<T>(update, item), item, begin, begin + count,
                             g.data());
  training::load<S>(item.slots[0], begin, count, momentum.data());
  training::load<S>(item.slots[1], begin, count, velocity.data());
  for (std::int64_t i = 0; i < count; ++i) w[i] = kernels::decayed<T>(update, item, w[i]);
  for (std::int64_t i = 0; i < count; ++i) g[i] = rule.direction(g[i], momentum[i], velocity[i]);
  for (std::int64_t i = 0; i < count; ++i) sum += kernels::squares_of(w[i], g[i]);
}

/// Of the norms, in the type that is computed in; 1 where one of them is 0.
template <class T>
double ratio_of(const NormSquares& sum) {
  const T weights = std::sqrt(T(sum.weights)), directions = std::sqrt(T(sum.directions));
  return weights > T(0) && directions > T(0) ? double(weights / directions) : 1.0;
}

class LambOptimizer : public Optimizer {
 public:
  explicit LambOptimizer(const LambOptions& o)
      : Optimizer(training::common_options(o), "Lamb"), o_(o) {}
  std::string class_name() const override { return "Lamb"; }

 protected:
  void create_slots() override { add_slots({"momentum", "velocity"}); }
  void step(Update& update) const override {
    const std::vector<NormSquares> sums = norm_squares(update);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      UpdateItem& item = update.items[i];
      item.ratio =
          item.dtype == DType::kFloat64 ? ratio_of<double>(sums[i]) : ratio_of<float>(sums[i]);
    }
    training::run_step(update, [&]<class T>(T) { return rule<T>(update); });
  }

 private:
  template <class T>
  [[nodiscard]] LambStep<T> rule(const Update& update) const {
    const T local_step = T(update.iteration + 1);
    return {T(update.learning_rate),
            T(1 - o_.beta_1),
            T(1 - o_.beta_2),
            T(1) - std::pow(T(o_.beta_1), local_step),
            T(1) - std::pow(T(o_.beta_2), local_step),
            T(o_.epsilon),
            T(1)};
  }
  [[nodiscard]] std::vector<NormSquares> norm_squares(Update& update) const {
    const LambStep<float> narrow = rule<float>(update);
    const LambStep<double> wide = rule<double>(update);
    if (update.device != nullptr) return update.device->norm_squares(update, narrow, wide);
    return training::sums_of<NormSquares>(
        update.items, [&]<class S>(S, const UpdateItem& item, std::int64_t begin,
                                   std::int64_t count, NormSquares& sum) {
          if constexpr (std::is_same_v<compute_t<S>, double>) {
            add_squares<S>(update, item, wide, begin, count, sum);
          } else {
            add_squares<S>(update, item, narrow, begin, count, sum);
          }
        });
  }

  LambOptions o_;
};

}  // namespace

OptimizerPtr Lamb(LambOptions options) {
  return training::described("Lamb", options, std::make_shared<LambOptimizer>(options));
}

}  // namespace lamina::optimizers
