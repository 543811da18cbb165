#include <fmt/format.h>
#include <lamina/optimizers.h>

#include <algorithm>
#include <regex>
#include <utility>

#include "core/denormals.h"
#include "core/first_value.h"
#include "layers/naming.h"
#include "training/optimizers/constrainer.h"
#include "training/optimizers/device_update.h"
#include "training/optimizers/patterns.h"
#include "training/optimizers/scalars.h"
#include "training/optimizers/step_memory.h"
#include "training/optimizers/update.h"

namespace lamina {
namespace {

using training::filled;
using training::scalar;

void check_options(const OptimizerOptions& o) {
  if (o.clipnorm.has_value() + o.clipvalue.has_value() + o.global_clipnorm.has_value() > 1) {
    const auto text = [](const std::optional<double>& value) {
      return value ? fmt::format("{}", *value) : std::string("None");
    };
    throw ValueError(fmt::format(
        "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
        "clipnorm={}, clipvalue={}, global_clipnorm={}",
        text(o.clipnorm), text(o.clipvalue), text(o.global_clipnorm)));
  }
  if (o.gradient_accumulation_steps && *o.gradient_accumulation_steps < 2) {
    throw ValueError(
        fmt::format("`gradient_accumulation_steps` must be an integer >= 2. Received: "
                    "gradient_accumulation_steps={}",
                    *o.gradient_accumulation_steps));
  }
  if (o.use_ema && (o.ema_momentum > 1 || o.ema_momentum < 0)) {
    throw ValueError(fmt::format(
        "`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={}", o.ema_momentum));
  }
  if (o.use_ema && o.ema_overwrite_frequency && *o.ema_overwrite_frequency < 1) {
    throw ValueError(
        fmt::format("`ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
                    "ema_overwrite_frequency={}",
                    *o.ema_overwrite_frequency));
  }
}

constexpr std::string_view kUndecayed = "`exclude_from_weight_decay()`: `var_names`";

/// New values on their way: what a step writes into, and assigns once all is computed.
class NewValues {
 public:
  /// A step that computes elsewhere than its variables are gets copies, which go back.
  NewValues(training::StepMemory& memory, Device computes) : memory_(memory), computes_(computes) {}

  /// A variable that is not on `device` yet moves there.
  kernels::InOut open(const VariablePtr& variable, Device device) {
    if (variable->device() != device) variable->to(device);
    if (device != computes_) return open_copy(variable);
    const void* in = variable->value().raw();
    Tensor out = memory_.writable(variable);
    const kernels::InOut stream{in, out.raw()};
    opened_.emplace_back(variable, std::move(out));
    return stream;
  }
  void assign() {
    for (auto& [variable, value] : opened_) variable->assign(std::move(value));
  }

 private:
  kernels::InOut open_copy(const VariablePtr& variable) {
    Tensor copy = variable->value().to(computes_);
    const kernels::InOut stream{copy.raw(), copy.raw()};
    opened_.emplace_back(variable, std::move(copy));
    return stream;
  }

  training::StepMemory& memory_;
  Device computes_;
  std::vector<std::pair<VariablePtr, Tensor>> opened_;
};

}  // namespace

Optimizer::Optimizer(OptimizerOptions options, std::string_view class_name)
    : options_(std::move(options)), memory_(std::make_unique<training::StepMemory>()) {
  check_options(options_);
  if (options_.name.empty()) options_.name = layers::auto_name(class_name);
  iteration_ = add_variable("iteration", {}, DType::kInt32, 0);
  if (!options_.learning_rate.schedule()) {
    learning_rate_ =
        add_variable("learning_rate", {}, DType::kFloat32, options_.learning_rate.value());
  }
}

Optimizer::~Optimizer() = default;

VariablePtr Optimizer::add_variable(const std::string& name, const Shape& shape, DType dtype,
                                    double initial) {
  return add_variable(name, shape, dtype,
                      [initial](const Shape& s, DType d) { return filled(s, d, initial); });
}

VariablePtr Optimizer::add_variable(const std::string& name, const Shape& shape, DType dtype,
                                    Variable::Initializer initializer) {
  auto variable = std::make_shared<Variable>(name, shape, dtype, std::move(initializer), false);
  variable->set_path(options_.name + "/" + name);
  variables_.push_back(variable);
  return variable;
}

std::string Optimizer::slot_name(std::size_t index, const std::string& name) const {
  std::string full = trainable_[index]->path() + "_" + name;
  std::replace(full.begin(), full.end(), '/', '_');
  return full;
}

void Optimizer::add_slot(std::size_t index, const std::string& name, Shape shape, DType dtype,
                         double initial) {
  slots_[index].push_back(add_variable(slot_name(index, name), shape, dtype, initial));
}

void Optimizer::add_copy(std::size_t index, const std::string& name) {
  const VariablePtr& from = trainable_[index];
  // Weights that wait to be loaded are not made for this.
  Variable::Initializer copy = core::CopyOf{from};
  if (from->materialized()) {
    copy = [now = from->value()](const Shape&, DType) { return now.to(Device::cpu()).clone(); };
  }
  slots_[index].push_back(
      add_variable(slot_name(index, name), from->shape(), from->dtype(), std::move(copy)));
}

void Optimizer::add_slots(const std::vector<std::string>& names, double initial) {
  for (std::size_t i = 0; i < trainable_.size(); ++i) {
    for (const std::string& name : names) {
      add_slot(i, name, trainable_[i]->shape(), trainable_[i]->dtype(), initial);
    }
  }
}

void Optimizer::build(const std::vector<VariablePtr>& trainable_variables) {
  if (built_) {
    if (trainable_variables == trainable_) return;
    throw ValueError(fmt::format(
        "Optimizer '{}' was built with {} other variables ({} now): make a new optimizer for "
        "another model, or after layers were frozen, unfrozen, added or removed.",
        name(), trainable_.size(), trainable_variables.size()));
  }
  for (const VariablePtr& variable : trainable_variables) {
    training::check_constraint(*variable);
    if (is_floating(variable->dtype())) continue;
    throw ValueError(
        fmt::format("Optimizer '{}': the variable '{}' holds {}, which has no "
                    "gradient.",
                    name(), variable->path(), dtype_name(variable->dtype())));
  }
  trainable_ = trainable_variables;
  decays_ = decaying();
  slots_.resize(trainable_.size());
  const auto take = [this](std::vector<VariablePtr>& into) {
    for (auto& slots : slots_) into.push_back(std::exchange(slots, {}).front());
  };
  if (options_.use_ema) {
    add_slots({"average"});
    take(averages_);
  }
  if (options_.gradient_accumulation_steps) {
    add_slots({"gradient_accumulator"});
    take(accumulators_);
  }
  create_slots();
  built_ = true;
}

std::int64_t Optimizer::steps() const {
  return iteration_->value().cast(DType::kInt64).data<std::int64_t>()[0];
}

std::int64_t Optimizer::iterations() const {
  return steps() / options_.gradient_accumulation_steps.value_or(1);
}

double Optimizer::learning_rate() const {
  const SchedulePtr& schedule = options_.learning_rate.schedule();
  return schedule ? static_cast<double>((*schedule)(steps())) : scalar(*learning_rate_);
}

void Optimizer::set_learning_rate(double learning_rate) {
  if (!learning_rate_) {
    throw ValueError(
        "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` "
        "constructor argument, hence its learning rate is not settable. If you need the learning "
        "rate to be settable, you should instantiate the optimizer with a float `learning_rate` "
        "argument.");
  }
  learning_rate_->assign(filled({}, DType::kFloat32, learning_rate));
}

double Optimizer::loss_scale() const {
  return options_.loss_scale_factor.value_or(1);
}

void Optimizer::exclude_from_weight_decay(std::vector<std::string> var_names) {
  if (built_) {
    throw ValueError(
        "`exclude_from_weight_decay()` can only be configured before the optimizer is built.");
  }
  for (const std::string& text : var_names) (void)training::pattern_of(kUndecayed, text);
  undecayed_ = std::move(var_names);
}

std::vector<bool> Optimizer::decaying() const {
  std::vector<bool> decays(trainable_.size());
  for (std::size_t i = 0; i < decays.size(); ++i) decays[i] = weight_decay_of(i).has_value();
  for (const std::string& text : undecayed_) {
    const std::regex pattern = training::pattern_of(kUndecayed, text);
    for (std::size_t i = 0; i < trainable_.size(); ++i) {
      if (std::regex_search(trainable_[i]->name(), pattern)) decays[i] = false;
    }
  }
  return decays;
}

void Optimizer::check_gradients(const std::vector<Tensor>& gradients) const {
  if (!built_) {
    throw ValueError(fmt::format(
        "Optimizer '{}' must be built on a list of variables before gradients are applied: call "
        "`optimizer->build(trainable_variables)` first.",
        name()));
  }
  if (gradients.size() != trainable_.size()) {
    throw ValueError(fmt::format(
        "Optimizer '{}' received {} gradients, but it is tracking {} trainable variables.", name(),
        gradients.size(), trainable_.size()));
  }
  const auto defined = [](const Tensor& gradient) { return gradient.defined(); };
  if (!trainable_.empty() && std::none_of(gradients.begin(), gradients.end(), defined)) {
    throw ValueError("No gradients provided for any variable.");
  }
  for (const VariablePtr& variable : trainable_) {
    if (variable->device() == trainable_.front()->device()) continue;
    throw ValueError(fmt::format(
        "Optimizer '{}': the variable '{}' is on {} and '{}' on {}: move the model with to().",
        name(), trainable_.front()->path(), trainable_.front()->device().str(), variable->path(),
        variable->device().str()));
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined() || gradients[i].shape() == trainable_[i]->shape()) continue;
    throw ValueError(fmt::format(
        "Optimizer '{}': the gradient of '{}' has shape {}, and the variable has shape {}.", name(),
        trainable_[i]->path(), gradients[i].shape().str(), trainable_[i]->shape().str()));
  }
}

/// One call of `apply`: what is read, computed and written, and where.
struct Optimizer::Application {
  Application(training::StepMemory& memory, Device of_variables, Device of_the_step)
      : device(of_variables), computes(of_the_step), values(memory, of_the_step) {}

  const Device device, computes;
  std::int64_t every = 1;  // calls for one update
  bool updates = true;     // or only accumulates
  training::Update update;
  NewValues values;
  std::vector<Tensor> gradients;  // as the step reads them
  std::vector<kernels::ConstrainJob> constraints;
};

void Optimizer::apply(const std::vector<Tensor>& gradients) {
  check_gradients(gradients);
  if (averages_swapped_) {
    throw ValueError(fmt::format(
        "Optimizer '{}': variables and averages have changed places; call swap_averages() before "
        "the next step.",
        name()));
  }
  if (gradients.empty()) return;
  const Device device = trainable_.front()->device();
  Application application(*memory_, device, steps_on_host() ? Device::cpu() : device);
  set_numbers(application);
  use_device(application);
  for (std::size_t i = 0; i < gradients.size(); ++i) open_item(application, i, gradients[i]);
  run(application);
  Tensor next = filled({}, DType::kInt32, static_cast<double>(steps() + 1));
  std::vector<NewValue> own;
  if (application.updates) own = own_values(application.update);
  application.values.assign();  // nothing fails any more
  for (NewValue& each : own) each.variable->assign(std::move(each.value));
  finite_ = application.update.finite;
  iteration_->assign(std::move(next));
}

void Optimizer::set_numbers(Application& application) const {
  application.every = options_.gradient_accumulation_steps.value_or(1);
  application.updates = (steps() + 1) % application.every == 0;
  training::Update& update = application.update;
  update.iteration = iterations();
  update.learning_rate = static_cast<float>(learning_rate());
  update.loss_scale = loss_scale();
  update.accumulation_steps = static_cast<double>(application.every);
  update.weight_decay = options_.weight_decay.value_or(0);
  update.average_momentum = update.iteration == 0 ? 0 : options_.ema_momentum;
  update.overwrite_with_average = options_.use_ema && options_.ema_overwrite_frequency &&
                                  (update.iteration + 1) % *options_.ema_overwrite_frequency == 0;
  if (options_.clipvalue.value_or(0) > 0) update.limit = *options_.clipvalue;
}

void Optimizer::use_device(Application& application) {
  const Device computes = application.computes;
  if (computes != Device::cpu()) {
    if (!device_update_ || device_update_->device() != computes) {
      device_update_ = std::make_unique<training::DeviceUpdate>(computes);
    }
    application.update.device = device_update_.get();
  }
  if (!constrainer_ || constrainer_->device() != computes) {
    constrainer_ = std::make_unique<training::Constrainer>(computes);
  }
}

void Optimizer::open_item(Application& application, std::size_t i, const Tensor& gradient) {
  const VariablePtr& variable = trainable_[i];
  const auto open = [&](const VariablePtr& each) {
    return application.values.open(each, application.device);
  };
  training::UpdateItem item;
  item.shape = variable->shape();
  item.dtype = variable->dtype();
  item.size = variable->shape().size();
  const bool moves = gradient.defined();
  if (moves) {
    application.gradients.push_back(gradient.cast(item.dtype).to(application.computes));
    item.gradient = application.gradients.back().raw();
  }
  item.decays = decays_[i] ? 1 : 0;
  const bool computed = (moves && application.updates) || options_.use_ema;
  const bool constrained = moves && variable->constraint();
  if (computed || constrained) item.value = open(variable);
  if (constrained) {
    const void* const next = computed ? item.value.out : item.value.in;
    application.constraints.push_back(constrainer_->job(*variable, {next, item.value.out}));
  }
  if (options_.use_ema) item.average = open(averages_[i]);
  if (moves && application.every > 1) item.accumulated = open(accumulators_[i]);
  if (moves && application.updates) {
    for (std::size_t k = 0; k < slots_[i].size(); ++k) item.slots[k] = open(slots_[i][k]);
  } else if (constrained) {
    // What begins as a copy of the weights is one of those that are now.
    for (const VariablePtr& slot : slots_[i]) (void)slot->value();
  }
  if (item.value.in == nullptr && item.accumulated.in == nullptr) return;
  application.update.items.push_back(std::move(item));
}

void Optimizer::run(Application& application) {
  training::Update& update = application.update;
  const core::FlushDenormals flush(application.computes == Device::cpu());
  if (!application.updates) {
    training::accumulate(update);
  } else {
    if (options_.clipnorm.value_or(0) > 0) clip_norms(update, *options_.clipnorm);
    if (options_.global_clipnorm.value_or(0) > 0)
      clip_global_norm(update, *options_.global_clipnorm);
    step(update);
  }
  constrainer_->run(application.constraints);
}

void Optimizer::finalize_variable_values() {
  if (!options_.use_ema || !built_) return;
  const std::vector<VariablePtr>& from = averages_swapped_ ? trainable_ : averages_;
  const std::vector<VariablePtr>& to = averages_swapped_ ? averages_ : trainable_;
  for (std::size_t i = 0; i < from.size(); ++i) to[i]->assign(from[i]->value().clone());
  averages_swapped_ = false;
}

void Optimizer::swap_averages() {
  if (!options_.use_ema) {
    throw ValueError(
        fmt::format("Optimizer '{}' has no averages: it was created with use_ema=False.", name()));
  }
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    Tensor weights = trainable_[i]->value();
    trainable_[i]->assign(averages_[i]->value());
    averages_[i]->assign(std::move(weights));
  }
  averages_swapped_ = !averages_swapped_;
}

}  // namespace lamina
