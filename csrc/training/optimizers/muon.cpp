// Muon: matrices move by about orthogonal ones, the other variables as Adam moves them.
#include <fmt/format.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <tuple>
#include <vector>

#include "training/described/description.h"
#include "training/optimizers/adam_rule.h"
#include "training/optimizers/common_options.h"
#include "training/optimizers/newton_schulz.h"
#include "training/optimizers/patterns.h"
#include "training/optimizers/update.h"

namespace lamina::optimizers {
namespace {

using training::compute_t;
using training::NewtonSchulz;
using training::Update;
using training::UpdateItem;

bool is_embedding(std::string path) {
  std::transform(path.begin(), path.end(), path.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return path.find("embedding") != std::string::npos;
}

/// A matrix, or its transpose, written into the other one: (columns, rows) from (rows, columns).
template <class T>
void transpose(const T* from, std::int64_t rows, std::int64_t columns, T* into) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t k = 0; k < columns; ++k) into[k * rows + i] = from[i * columns + k];
  }
}

class MuonOptimizer : public Optimizer {
 public:
  explicit MuonOptimizer(const MuonOptions& o)
      : Optimizer(training::common_options(o), "Muon"), o_(o) {
    constexpr std::int64_t kMostSteps = 100;
    if (o.ns_steps < 0 || o.ns_steps > kMostSteps) {
      throw ValueError(
          fmt::format("`ns_steps` must be an integer from 0 to {}. Received: "
                      "ns_steps={}",
                      kMostSteps, o.ns_steps));
    }
    for (const std::string& text : o.exclude_layers) {
      excluded_.push_back(training::pattern_of("`exclude_layers`", text));
    }
  }
  std::string class_name() const override { return "Muon"; }

 protected:
  void create_slots() override {
    for (std::size_t i = 0; i < trainable_variables().size(); ++i) {
      const Variable& variable = *trainable_variables()[i];
      add_slot(i, "momentum", variable.shape(), variable.dtype());
      if (moves_as_adam(variable)) add_slot(i, "velocity", variable.shape(), variable.dtype());
    }
  }
  [[nodiscard]] std::optional<double> weight_decay_of(std::size_t index) const override {
    return moves_as_adam(*trainable_variables()[index]) ? o_.adam_weight_decay : o_.weight_decay;
  }
  void step(Update& update) const override;
  // Products of whole matrices: no element by itself.
  [[nodiscard]] bool steps_on_host() const override { return true; }

 private:
  [[nodiscard]] bool moves_as_adam(const Variable& variable) const {
    if (variable.shape().rank() != 2) return true;
    if (o_.exclude_embeddings && is_embedding(variable.path())) return true;
    return std::any_of(excluded_.begin(), excluded_.end(), [&](const std::regex& pattern) {
      return std::regex_search(variable.path(), pattern);
    });
  }
  template <class S>
  void move_matrix(const Update& update, const UpdateItem& item) const;
  template <class T>
  void make_orthogonal(std::vector<T>& matrix, const Shape& shape) const;

  MuonOptions o_;
  std::vector<std::regex> excluded_;
  // The products of each shape, kept from step to step.
  mutable std::shared_ptr<ops::Backend> backend_;
  mutable std::map<std::tuple<std::int64_t, std::int64_t, DType>, NewtonSchulz> products_;
};

// A variable that moves as Adam does has a velocity.
void MuonOptimizer::step(Update& update) const {
  Update others;
  static_cast<kernels::UpdateNumbers&>(others) = update;
  others.iteration = update.iteration;
  others.weight_decay = o_.adam_weight_decay.value_or(0);
  std::vector<const UpdateItem*> matrices;
  for (const UpdateItem& item : update.items) {
    if (item.gradient == nullptr || item.slots[1].in != nullptr) {
      others.items.push_back(item);
    } else if (item.size > 0) {
      matrices.push_back(&item);
    }
  }
  training::run_step(others, [&]<class T>(T) {
    return training::adam_rule<kernels::AdamStep<T>>({o_.adam_beta_1, o_.adam_beta_2, o_.epsilon},
                                                     others,
                                                     T(update.learning_rate) * T(o_.adam_lr_ratio));
  });
  if (!others.finite) update.finite = false;
  for (const UpdateItem* item : matrices) {
    training::with_floating(item->dtype, [&]<class S>(S) { move_matrix<S>(update, *item); });
  }
}

template <class S>
void MuonOptimizer::move_matrix(const Update& update, const UpdateItem& item) const {
  using T = compute_t<S>;
  const auto size = static_cast<std::size_t>(item.size);
  std::vector<T> w(size), g(size), m(size);
  training::load<S>(item.value, 0, item.size, w.data());
  training::load_gradient<S>(kernels::gradient_rule<T>(update, item), item, 0, item.size, g.data());
  training::clear_accumulated<S, T>(item, 0, item.size);
  training::load<S>(item.slots[0], 0, item.size, m.data());
  if (item.decays != 0) {
    const kernels::WeightDecay<T> decay{T(update.weight_decay), T(update.learning_rate)};
    for (T& x : w) x = decay(x);
  }
  const T momentum = T(o_.momentum), lost = T(o_.momentum - 1);
  for (std::size_t i = 0; i < size; ++i) {
    m[i] += g[i] + m[i] * lost;
    g[i] = o_.nesterov ? g[i] + momentum * m[i] : m[i];
  }
  training::store<S>(m.data(), 0, item.size, item.slots[0]);
  make_orthogonal(g, item.shape);
  const T rate = T(update.learning_rate),
          root = std::sqrt(T(std::max(item.shape[0], item.shape[1])));
  const T adjusted = o_.rms_rate ? root * T(*o_.rms_rate) : T(1);
  for (std::size_t i = 0; i < size; ++i) w[i] -= rate * g[i] * adjusted;
  training::finish<S>(update, item, 0, item.size, w.data());
}

template <class T>
void MuonOptimizer::make_orthogonal(std::vector<T>& matrix, const Shape& shape) const {
  double squares = 0;
  for (const T x : matrix) squares += double(x) * double(x);
  const T norm = T(std::sqrt(squares)) + T(1e-7);
  for (T& x : matrix) x /= norm;
  const std::int64_t rows = shape[0], columns = shape[1];
  const bool turns = rows > columns;
  const Shape wide = turns ? Shape{columns, rows} : shape;
  Tensor x = turns ? Tensor::empty(wide, dtype_of_v<T>) : Tensor::from(matrix, wide);
  T* const elements = x.template data<T>().data();
  if (turns) transpose(matrix.data(), rows, columns, elements);
  if (!backend_) backend_ = ops::make_backend(Device::cpu());
  const auto products =
      products_.try_emplace({wide[0], wide[1], dtype_of_v<T>}, *backend_, wide, dtype_of_v<T>);
  products.first->second.run(x, {o_.muon_a, o_.muon_b, o_.muon_c}, o_.ns_steps);
  if (turns) {
    transpose(elements, columns, rows, matrix.data());
  } else {
    std::copy(elements, elements + matrix.size(), matrix.begin());
  }
}

}  // namespace

OptimizerPtr Muon(MuonOptions options) {
  return training::described("Muon", options, std::make_shared<MuonOptimizer>(options));
}

}  // namespace lamina::optimizers
