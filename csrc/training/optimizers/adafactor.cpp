#include <lamina/optimizers.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "training/described/description.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using kernels::InOut;
using training::Update;
using training::UpdateItem;

/// The numbers of one step, and the arrays of one variable, seen as `outer` matrices of
/// rows x columns (or one row, below rank 2).
template <class T>
struct Rule {
  T rate, beta, epsilon_1, epsilon_2, clip_threshold;
  bool placeholders;  // of small variables
};

template <class T>
T root_mean_square(const std::vector<T>& x) {
  double sum = 0;
  for (const T value : x) sum += double(value) * double(value);
  return T(std::sqrt(sum / double(x.size())));
}

template <class S, class T>
std::vector<T> loaded(const InOut& stream, std::int64_t size) {
  std::vector<T> out(static_cast<std::size_t>(size));
  training::load<S>(stream, 0, size, out.data());
  return out;
}

struct Matrices {
  std::int64_t outer, rows, columns;
};

/// Means of the squares over rows and over columns, averaged over the steps; their outer product,
/// divided by the mean over rows, stands for the squares.
template <class S, class T>
std::vector<T> factored(const Rule<T>& rule, const UpdateItem& item, const std::vector<T>& squares,
                        const Matrices& m) {
  std::vector<T> r = loaded<S, T>(item.slots[0], m.outer * m.rows);
  std::vector<T> c = loaded<S, T>(item.slots[1], m.outer * m.columns);
  std::vector<T> v(squares.size());
  for (std::int64_t o = 0; o < m.outer; ++o) {
    const T* square = squares.data() + o * m.rows * m.columns;
    T* row = r.data() + o * m.rows;
    T* column = c.data() + o * m.columns;
    std::vector<double> column_sums(static_cast<std::size_t>(m.columns), 0.0);
    double row_mean = 0;
    for (std::int64_t i = 0; i < m.rows; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < m.columns; ++k) {
        sum += square[i * m.columns + k];
        column_sums[static_cast<std::size_t>(k)] += square[i * m.columns + k];
      }
      row[i] = rule.beta * row[i] + (T(1) - rule.beta) * T(sum / double(m.columns));
      row_mean += row[i];
    }
    row_mean /= double(m.rows);
    for (std::int64_t k = 0; k < m.columns; ++k) {
      const T mean = T(column_sums[static_cast<std::size_t>(k)] / double(m.rows));
      column[k] = rule.beta * column[k] + (T(1) - rule.beta) * mean;
    }
    T* out = v.data() + o * m.rows * m.columns;
    for (std::int64_t i = 0; i < m.rows; ++i) {
      const T scale = row[i] / T(row_mean);
      for (std::int64_t k = 0; k < m.columns; ++k) out[i * m.columns + k] = scale * column[k];
    }
  }
  training::store<S>(r.data(), 0, m.outer * m.rows, item.slots[0]);
  training::store<S>(c.data(), 0, m.outer * m.columns, item.slots[1]);
  return v;
}

/// The placeholders of small variables stay as they are.
void keep_placeholder(const InOut& stream) {
  *static_cast<std::int32_t*>(stream.out) = *static_cast<const std::int32_t*>(stream.in);
}

template <class S>
void update_variable(const Update& update, const UpdateItem& item,
                     const Rule<training::compute_t<S>>& rule) {
  using T = training::compute_t<S>;
  const std::size_t rank = item.shape.rank();
  const std::size_t velocity = rank >= 2 || rule.placeholders ? 2 : 0;  // its slot
  std::vector<T> w = loaded<S, T>(item.value, item.size);
  std::vector<T> g(w.size()), squares(w.size());
  training::load_gradient<S>(kernels::gradient_rule<T>(update, item), item, 0, item.size, g.data());
  training::clear_accumulated<S, T>(item, 0, item.size);
  if (item.decays) {
    const kernels::WeightDecay<T> decay{T(update.weight_decay), T(update.learning_rate)};
    for (T& x : w) x = decay(x);
  }
  for (std::size_t i = 0; i < g.size(); ++i) squares[i] = g[i] * g[i] + rule.epsilon_1;
  std::vector<T> v;
  if (rank >= 2) {
    const std::int64_t columns = item.shape[-1], rows = item.shape[-2];
    v = factored<S>(rule, item, squares, {item.size / (rows * columns), rows, columns});
  } else {
    for (std::size_t k = 0; k < velocity; ++k) keep_placeholder(item.slots[k]);
    v = loaded<S, T>(item.slots[velocity], item.size);
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = rule.beta * v[i] + (T(1) - rule.beta) * squares[i];
    }
  }
  training::store<S>(v.data(), 0, item.size, item.slots[velocity]);
  const T alpha = std::max(rule.epsilon_2, root_mean_square(w)) * rule.rate;
  for (std::size_t i = 0; i < g.size(); ++i) g[i] /= std::sqrt(v[i]);
  const T clip = std::max(T(1), root_mean_square(g) / rule.clip_threshold);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] -= alpha * (g[i] / clip);
  training::finish<S>(update, item, 0, item.size, w.data());
}

/// Without a gradient everything stays, and the average moves.
template <class S>
void keep_variable(const Update& update, const UpdateItem& item) {
  using T = training::compute_t<S>;
  std::vector<T> w = loaded<S, T>(item.value, item.size);
  training::finish<S>(update, item, 0, item.size, w.data());
}

class AdafactorOptimizer : public Optimizer {
 public:
  explicit AdafactorOptimizer(const AdafactorOptions& o)
      : Optimizer(training::common_options(o), "Adafactor"), o_(o) {}
  std::string class_name() const override { return "Adafactor"; }

 protected:
  void create_slots() override;
  void step(Update& update) const override;
  // Means over rows and columns of whole variables: no element by itself.
  [[nodiscard]] bool steps_on_host() const override { return true; }

 private:
  void step_variable(const Update& update, const UpdateItem& item) const;

  AdafactorOptions o_;
  bool placeholders_ = true;
};

void AdafactorOptimizer::create_slots() {
  // Keras counts them among the variables but where a LossScaleOptimizer builds it.
  placeholders_ = !scaled();
  for (std::size_t i = 0; i < trainable_variables().size(); ++i) {
    const Variable& variable = *trainable_variables()[i];
    std::vector<std::int64_t> rows = variable.shape().dims(), columns = rows;
    if (rows.size() < 2) {
      for (const char* name : {"r", "c"}) {
        if (placeholders_) add_slot(i, name, {}, DType::kInt32);
      }
    } else {
      rows.pop_back();
      columns.erase(columns.end() - 2);
      add_slot(i, "r", Shape(rows), variable.dtype());
      add_slot(i, "c", Shape(columns), variable.dtype());
    }
    add_slot(i, "velocity", variable.shape(), variable.dtype());
  }
}

// A variable's means need all of it, so a thread takes a whole variable at a time.
void AdafactorOptimizer::step(Update& update) const {
  const auto count = static_cast<std::int64_t>(update.items.size());
  std::exception_ptr failure;  // memory may run out, and nothing may leave a parallel region
  const core::ParallelRegion region;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < count; ++i) {
    const core::SameFlushing same(region);
    try {
      step_variable(update, update.items[static_cast<std::size_t>(i)]);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void AdafactorOptimizer::step_variable(const Update& update, const UpdateItem& item) const {
  if (item.size == 0) return;
  training::with_floating(item.dtype, [&]<class S>(S) {
    using T = training::compute_t<S>;
    const T local_step = T(update.iteration + 1);
    const Rule<T> rule{std::min(T(update.learning_rate), T(1) / std::sqrt(local_step)),
                       T(1) - std::pow(local_step, T(o_.beta_2_decay)),
                       T(o_.epsilon_1),
                       T(o_.epsilon_2),
                       T(o_.clip_threshold),
                       placeholders_};
    item.gradient == nullptr ? keep_variable<S>(update, item)
                             : update_variable<S>(update, item, rule);
  });
}

}  // namespace

OptimizerPtr Adafactor(AdafactorOptions options) {
  return training::described("Adafactor", options, std::make_shared<AdafactorOptimizer>(options));
}

}  // namespace lamina::optimizers
