#pragma once
#include <lamina/schedules.h>
#include <lamina/variable.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

namespace training {
class Constrainer;
class DeviceUpdate;
class LossScaleOptimizer;
class StepMemory;
struct Update;
}  // namespace training

// What every optimizer takes, with Keras's names and defaults.
//   weight_decay: variables shrink by this times the learning rate at each step
//   clipnorm, clipvalue, global_clipnorm: at most one of them; of each gradient, each element, all
//     gradients together
//   use_ema, ema_momentum, ema_overwrite_frequency: a moving average of each variable, that takes
//     the variable's place every so many steps, and at the end of `fit`
//   loss_scale_factor: the loss is multiplied by it, and the gradients divided
//   gradient_accumulation_steps: updates come every so many steps, with the mean gradient
//   name: empty: made from the class's name, "adam", "adam_1"
#define LAMINA_OPTIMIZER_OPTIONS                                \
  std::optional<double> clipnorm = {};                          \
  std::optional<double> clipvalue = {};                         \
  std::optional<double> global_clipnorm = {};                   \
  bool use_ema = false;                                         \
  double ema_momentum = 0.99;                                   \
  std::optional<std::int64_t> ema_overwrite_frequency = {};     \
  std::optional<double> loss_scale_factor = {};                 \
  std::optional<std::int64_t> gradient_accumulation_steps = {}; \
  std::string name = {};

struct OptimizerOptions {
  LearningRate learning_rate = 0.001;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};

/// Turns gradients into new values of variables. Its state is variables in Keras's order, which
/// weights files of compiled models hold. A step is one parallel pass over all variables, and its
/// result does not depend on the number of threads (but for Muon's products). As in Keras, a
/// variable that has a gradient and a constraint ends each step as that says, behind weight decay
/// and averages, those steps too that only accumulate. Not synchronised.
class Optimizer {
 public:
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer();

  /// Keras's class name: "Adam".
  [[nodiscard]] virtual std::string class_name() const = 0;
  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] const OptimizerOptions& options() const noexcept { return options_; }

  /// Creates the state for these variables; a second call with the same variables does nothing.
  /// Throws ValueError for others, and for a constraint whose axes a variable does not have.
  virtual void build(const std::vector<VariablePtr>& trainable_variables);
  [[nodiscard]] bool built() const noexcept { return built_; }

  /// One step: a gradient for each variable that the optimizer was built with, in that order;
  /// undefined ones leave their variable as it is. It is computed where the variables are, all on
  /// one device, to which the optimizer's own follow them. New values replace the old ones, so that
  /// copies of these stay as they were. Throws ValueError before anything changes when a gradient
  /// does not fit, variables are on several devices, or averages are in their place (see
  /// `swap_averages`); DeviceError.
  virtual void apply(const std::vector<Tensor>& gradients);

  /// All state: the iteration, the learning rate where that is a number, then what the class needs.
  [[nodiscard]] virtual std::vector<VariablePtr> variables() const { return variables_; }
  /// What `build` was given.
  [[nodiscard]] const std::vector<VariablePtr>& trainable_variables() const noexcept {
    return trainable_;
  }
  /// Calls of `apply` so far, whether they updated or only accumulated.
  [[nodiscard]] virtual std::int64_t steps() const;
  /// Updates so far: what Keras calls `iterations`.
  [[nodiscard]] virtual std::int64_t iterations() const;
  /// Of the next step.
  [[nodiscard]] virtual double learning_rate() const;
  /// Throws ValueError when a schedule gives the learning rate.
  virtual void set_learning_rate(double learning_rate);
  /// What the loss is to be multiplied by before it is differentiated (the `scale` of
  /// Loss::value_and_gradient); `apply` divides.
  [[nodiscard]] virtual double loss_scale() const;
  /// False when the last `apply` left a variable that it updated infinite or NaN in some element.
  [[nodiscard]] virtual bool finite() const { return finite_; }
  /// The optimizer that this one wraps; null: it wraps none.
  [[nodiscard]] virtual std::shared_ptr<Optimizer> inner_optimizer() const { return nullptr; }

  /// Leaves variables out of the weight decay in whose name one of these regular expressions
  /// (ECMAScript's, as in std::regex) is found: "bias" anywhere, "^(bias|gamma|beta)$" as a whole.
  /// Before `build`. Throws ValueError after it, and for a text that is no regular expression.
  void exclude_from_weight_decay(std::vector<std::string> var_names);
  /// With use_ema: puts the averages into the variables; `fit` does so at its end. Else nothing.
  /// Averages that have changed places with these stay there, and are put back into their own place
  /// as well.
  virtual void finalize_variable_values();
  /// With use_ema: variables and averages change places, at the next call back; until then `apply`
  /// throws. Throws ValueError without use_ema.
  virtual void swap_averages();
  /// Says whether they have, of an optimizer whose values were loaded.
  virtual void set_averages_swapped(bool swapped) noexcept { averages_swapped_ = swapped; }

 protected:
  /// Throws ValueError for options that Keras refuses.
  Optimizer(OptimizerOptions options, std::string_view class_name);

  /// Creates the class's own slots.
  virtual void create_slots() = 0;
  /// Whether it is built by a LossScaleOptimizer around it.
  [[nodiscard]] bool scaled() const noexcept { return scaled_; }
  /// What the trainable variable at `index` shrinks by, times the learning rate; none: it does not.
  [[nodiscard]] virtual std::optional<double> weight_decay_of(std::size_t /*index*/) const {
    return options_.weight_decay;
  }
  /// True for a step that reads its arrays on the host: those of a device go there and back.
  [[nodiscard]] virtual bool steps_on_host() const { return false; }

  struct NewValue {
    VariablePtr variable;
    Tensor value;
  };
  /// What an update leaves in variables that belong to none of the trainable ones; they are
  /// assigned behind it.
  [[nodiscard]] virtual std::vector<NewValue> own_values(const training::Update&) const {
    return {};
  }

  /// A slot of each name for every variable: all of the first variable, then all of the second, as
  /// Keras's add_optimizer_variables.
  void add_slots(const std::vector<std::string>& names, double initial = 0);
  /// A slot of the variable at `index`, of its own shape and dtype.
  void add_slot(std::size_t index, const std::string& name, Shape shape, DType dtype,
                double initial = 0);
  /// A slot of the variable at `index` that begins as a copy of it.
  void add_copy(std::size_t index, const std::string& name);
  /// A variable of the optimizer's own.
  VariablePtr add_variable(const std::string& name, const Shape& shape, DType dtype,
                           double initial);
  /// Throws ValueError for gradients that do not fit the variables.
  void check_gradients(const std::vector<Tensor>& gradients) const;

 private:
  friend class training::Descriptions;
  friend class training::LossScaleOptimizer;
  /// Computes new values of the variables and slots in `update`.
  virtual void step(training::Update& update) const = 0;
  VariablePtr add_variable(const std::string& name, const Shape& shape, DType dtype,
                           Variable::Initializer initializer);
  [[nodiscard]] std::string slot_name(std::size_t index, const std::string& name) const;
  /// Of each trainable variable.
  [[nodiscard]] std::vector<bool> decaying() const;
  /// The parts of `apply`.
  struct Application;
  void set_numbers(Application& application) const;
  void use_device(Application& application);
  void open_item(Application& application, std::size_t i, const Tensor& gradient);
  void run(Application& application);

  OptimizerOptions options_;
  std::shared_ptr<const training::Description> description_;  // of Keras's own
  bool built_ = false, finite_ = true, averages_swapped_ = false, scaled_ = false;
  std::vector<std::string> undecayed_;
  std::vector<bool> decays_;  // each trainable variable, once built
  std::vector<VariablePtr> variables_, trainable_;
  std::vector<VariablePtr> averages_, accumulators_;
  std::vector<std::vector<VariablePtr>> slots_;  // of each variable, in creation order
  VariablePtr iteration_, learning_rate_;
  std::unique_ptr<training::StepMemory> memory_;
  std::unique_ptr<training::DeviceUpdate> device_update_;  // once it steps on one
  std::unique_ptr<training::Constrainer> constrainer_;     // once it has stepped
};

using OptimizerPtr = std::shared_ptr<Optimizer>;

/// Keras's optimizers. The factories throw ValueError for options that Keras refuses.
namespace optimizers {

// In the formulas: w is a variable, g its gradient after what every optimizer does to it, lr the
// learning rate, t the number of the update, from 1.

/// w -= lr g; with momentum: m = momentum m - lr g, w += m (nesterov: w += momentum m - lr g).
struct SGDOptions {
  LearningRate learning_rate = 0.01;
  double momentum = 0.0;
  bool nesterov = false;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr SGD(SGDOptions options = {});

/// m += (1 - beta_1) (g - m), v += (1 - beta_2) (g^2 - v),
/// w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon);
/// amsgrad: with the greatest v so far.
struct AdamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Adam(AdamOptions options = {});

/// Adam, with weight decay.
struct AdamWOptions {
  LearningRate learning_rate = 0.001;
  double weight_decay = 0.004;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr AdamW(AdamWOptions options = {});

/// m += (1 - beta_1) (g - m), u = max(beta_2 u, |g|), w -= lr m / ((1 - beta_1^t) (u + epsilon)).
struct AdamaxOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Adamax(AdamaxOptions options = {});

/// With a(t) = beta_1 (1 - 0.96^t / 2) and p, the product of a(1) to a(t): m and v as in Adam,
/// n = a(t + 1) m / (1 - p a(t + 1)) + (1 - a(t)) g / (1 - p),
/// w -= lr n / (sqrt(v / (1 - beta_2^t)) + epsilon).
struct NadamOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Nadam(NadamOptions options = {});

/// m and v as in Adam, u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon),
/// w -= lr |w| / |u| u, with norms of the whole variable; without them where one is 0.
struct LambOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Lamb(LambOptions options = {});

/// v = rho v + (1 - rho) g^2; centered: a = rho a + (1 - rho) g, and v - a^2 takes v's place in
/// d = lr g / sqrt(v + epsilon). w -= d; with momentum: m = momentum m + d, w -= m.
struct RMSpropOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.9;
  double momentum = 0.0;
  double epsilon = 1e-7;
  bool centered = false;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr RMSprop(RMSpropOptions options = {});

/// v += g^2 (from initial_accumulator_value on), w -= lr g / sqrt(v + epsilon).
struct AdagradOptions {
  LearningRate learning_rate = 0.001;
  double initial_accumulator_value = 0.1;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Adagrad(AdagradOptions options = {});

/// v = rho v + (1 - rho) g^2, d = -sqrt(a + epsilon) / sqrt(v + epsilon) g,
/// a = rho a + (1 - rho) d^2, w += lr d.
struct AdadeltaOptions {
  LearningRate learning_rate = 0.001;
  double rho = 0.95;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Adadelta(AdadeltaOptions options = {});

/// With p = -learning_rate_power, v from initial_accumulator_value on:
/// z += g + 2 l2_shrinkage w - ((v + g^2)^p - v^p) / lr w, then v += g^2,
/// w = (clip(z, -l1, l1) - z) / (v^p / lr + 2 l2 + beta / lr).
struct FtrlOptions {
  LearningRate learning_rate = 0.001;
  double learning_rate_power = -0.5;
  double initial_accumulator_value = 0.1;
  double l1_regularization_strength = 0.0;
  double l2_regularization_strength = 0.0;
  double l2_shrinkage_regularization_strength = 0.0;
  double beta = 0.0;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Ftrl(FtrlOptions options = {});

/// With b = 1 - t^beta_2_decay, v = b v + (1 - b) (g^2 + epsilon_1), of which variables of two and
/// more axes use what the means over their last two axes give; u = g / sqrt(v),
/// w -= max(epsilon_2, rms(w)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / clip_threshold).
struct AdafactorOptions {
  LearningRate learning_rate = 0.001;
  double beta_2_decay = -0.8;
  double epsilon_1 = 1e-30;
  double epsilon_2 = 1e-3;
  double clip_threshold = 1.0;
  bool relative_step = true;  ///< kept in configurations; neither Keras nor Lamina reads it
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Adafactor(AdafactorOptions options = {});

/// w -= lr sign(beta_1 m + (1 - beta_1) g), then m = beta_2 m + (1 - beta_2) g.
struct LionOptions {
  LearningRate learning_rate = 0.001;
  double beta_1 = 0.9;
  double beta_2 = 0.99;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr Lion(LionOptions options = {});

/// Matrices move by about orthogonal ones: m = momentum m + g, u = m (nesterov: momentum m + g),
/// x = u / (|u| + 1e-7), then `ns_steps` times, of the wide matrix x or its transpose,
/// x = muon_a x + (muon_b a + muon_c a^2) x with a = x x^T; w -= lr rms_rate sqrt(max(rows,
/// columns)) x, without `rms_rate` w -= lr x. What has another rank moves as Adam does, by lr
/// adam_lr_ratio, and shrinks by `adam_weight_decay`; so do embeddings, which have "embedding" in
/// their path in any case, and variables in whose path one of the regular expressions
/// `exclude_layers` (ECMAScript's, as in std::regex) is found. A step is computed on the host:
/// variables of a device go there and back. Throws ValueError for a text that is no regular
/// expression, and for `ns_steps` that are negative or more than 100.
struct MuonOptions {
  LearningRate learning_rate = 0.001;
  double adam_beta_1 = 0.9;
  double adam_beta_2 = 0.999;
  std::optional<double> adam_weight_decay = 0.004;
  double epsilon = 1e-7;
  std::optional<double> weight_decay = 0.004;
  LAMINA_OPTIMIZER_OPTIONS
  std::vector<std::string> exclude_layers = {};
  bool exclude_embeddings = true;
  double muon_a = 3.4445;
  double muon_b = -4.7750;
  double muon_c = 2.0315;
  double adam_lr_ratio = 1;
  double momentum = 0.95;
  std::int64_t ns_steps = 5;
  bool nesterov = true;
  std::optional<double> rms_rate = 0.2;
};
[[nodiscard]] OptimizerPtr Muon(MuonOptions options = {});

/// Adam without a schedule: gradients move z, and x is the mean of all z. With w begun as z, for
/// the first update m = w: x = (w - (1 - beta_1) m) / beta_1, v += (1 - beta_2) (g^2 - v),
/// m -= lr g / (sqrt(v / (1 - beta_2^t)) + epsilon), x += (m - x) / t,
/// w = (1 - beta_1) m + beta_1 x; in the first `warmup_steps` updates with lr t / warmup_steps. As
/// in Keras, w is what `evaluate` and `predict` compute with and what files hold.
struct ScheduleFreeAdamWOptions {
  LearningRate learning_rate = 0.0025;
  double beta_1 = 0.9;  ///< how much of w is x; 0 leaves nothing that is a number
  double beta_2 = 0.999;
  double epsilon = 1e-8;
  std::int64_t warmup_steps = 0;
  std::optional<double> weight_decay = {};
  LAMINA_OPTIMIZER_OPTIONS
};
[[nodiscard]] OptimizerPtr ScheduleFreeAdamW(ScheduleFreeAdamWOptions options = {});

/// Keeps small float16 gradients from vanishing: the loss is scaled up, by twice as much after each
/// `dynamic_growth_steps` steps in which all gradients were finite, by half as much after one in
/// which one was not, which changes nothing else. `Model::compile` wraps the optimizer of a model
/// of the policy "mixed_float16" in one. `inner_optimizer` is the caller's no more; its
/// `loss_scale_factor` does not count.
struct LossScaleOptimizerOptions {
  OptimizerPtr inner_optimizer;
  double initial_scale = 32768;
  std::int64_t dynamic_growth_steps = 2000;
  std::string name = {};
};
[[nodiscard]] OptimizerPtr LossScaleOptimizer(LossScaleOptimizerOptions options);

/// An optimizer with its defaults by Keras's name, in any case: "Adam", "adam", "rmsprop". Throws
/// ValueError naming those there are.
[[nodiscard]] OptimizerPtr get(std::string_view name);

}  // namespace optimizers
#undef LAMINA_OPTIMIZER_OPTIONS
}  // namespace lamina
