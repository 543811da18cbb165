// Losses, schedules and optimizers by name: what Keras calls them, and their options. Metrics are
// in metrics_by_name.cpp.
#include "training/by_name.h"

#include <utility>

#include "training/described/description.h"
#include "training/fields.h"
#include "training/makers.h"

namespace lamina::training {
namespace {

template <class Options>
void take_common(Fields& fields, Options& o) {
  fields.take("learning_rate", o.learning_rate);
  fields.take("weight_decay", o.weight_decay);
  fields.take("clipnorm", o.clipnorm);
  fields.take("clipvalue", o.clipvalue);
  fields.take("global_clipnorm", o.global_clipnorm);
  fields.take("use_ema", o.use_ema);
  fields.take("ema_momentum", o.ema_momentum);
  fields.take("ema_overwrite_frequency", o.ema_overwrite_frequency);
  fields.take("loss_scale_factor", o.loss_scale_factor);
  fields.take("gradient_accumulation_steps", o.gradient_accumulation_steps);
  fields.take("name", o.name);
}

/// Options of one class.
void take(Fields& fields, optimizers::SGDOptions& o) {
  take_common(fields, o);
  fields.take("momentum", o.momentum);
  fields.take("nesterov", o.nesterov);
}

template <class Adam>
void take_adam(Fields& fields, Adam& o) {
  take_common(fields, o);
  fields.take("beta_1", o.beta_1);
  fields.take("beta_2", o.beta_2);
  fields.take("epsilon", o.epsilon);
  if constexpr (requires { o.amsgrad; }) fields.take("amsgrad", o.amsgrad);
}
void take(Fields& fields, optimizers::AdamOptions& o) {
  take_adam(fields, o);
}
void take(Fields& fields, optimizers::AdamWOptions& o) {
  take_adam(fields, o);
}
void take(Fields& fields, optimizers::AdamaxOptions& o) {
  take_adam(fields, o);
}
void take(Fields& fields, optimizers::NadamOptions& o) {
  take_adam(fields, o);
}
void take(Fields& fields, optimizers::LambOptions& o) {
  take_adam(fields, o);
}

void take(Fields& fields, optimizers::ScheduleFreeAdamWOptions& o) {
  take_adam(fields, o);
  fields.take("warmup_steps", o.warmup_steps);
}

void take(Fields& fields, optimizers::RMSpropOptions& o) {
  take_common(fields, o);
  fields.take("rho", o.rho);
  fields.take("momentum", o.momentum);
  fields.take("epsilon", o.epsilon);
  fields.take("centered", o.centered);
}

void take(Fields& fields, optimizers::AdagradOptions& o) {
  take_common(fields, o);
  fields.take("initial_accumulator_value", o.initial_accumulator_value);
  fields.take("epsilon", o.epsilon);
}

void take(Fields& fields, optimizers::AdadeltaOptions& o) {
  take_common(fields, o);
  fields.take("rho", o.rho);
  fields.take("epsilon", o.epsilon);
}

void take(Fields& fields, optimizers::FtrlOptions& o) {
  take_common(fields, o);
  fields.take("learning_rate_power", o.learning_rate_power);
  fields.take("initial_accumulator_value", o.initial_accumulator_value);
  fields.take("l1_regularization_strength", o.l1_regularization_strength);
  fields.take("l2_regularization_strength", o.l2_regularization_strength);
  fields.take("l2_shrinkage_regularization_strength", o.l2_shrinkage_regularization_strength);
  fields.take("beta", o.beta);
}

void take(Fields& fields, optimizers::AdafactorOptions& o) {
  take_common(fields, o);
  fields.take("beta_2_decay", o.beta_2_decay);
  fields.take("epsilon_1", o.epsilon_1);
  fields.take("epsilon_2", o.epsilon_2);
  fields.take("clip_threshold", o.clip_threshold);
  fields.take("relative_step", o.relative_step);
}

void take(Fields& fields, optimizers::LionOptions& o) {
  take_common(fields, o);
  fields.take("beta_1", o.beta_1);
  fields.take("beta_2", o.beta_2);
}

void take(Fields& fields, optimizers::MuonOptions& o) {
  take_common(fields, o);
  fields.take("adam_beta_1", o.adam_beta_1);
  fields.take("adam_beta_2", o.adam_beta_2);
  fields.take("epsilon", o.epsilon);
  fields.take("exclude_layers", o.exclude_layers);
  fields.take("muon_a", o.muon_a);
  fields.take("muon_b", o.muon_b);
  fields.take("muon_c", o.muon_c);
  fields.take("adam_lr_ratio", o.adam_lr_ratio);
  fields.take("momentum", o.momentum);
  fields.take("ns_steps", o.ns_steps);
  fields.take("nesterov", o.nesterov);
  fields.take("exclude_embeddings", o.exclude_embeddings);
  fields.take("adam_weight_decay", o.adam_weight_decay);
  fields.take("rms_rate", o.rms_rate);
}

void take(Fields& fields, optimizers::LossScaleOptimizerOptions& o) {
  fields.take("name", o.name);
  fields.take("inner_optimizer", o.inner_optimizer);
  fields.take("initial_scale", o.initial_scale);
  fields.take("dynamic_growth_steps", o.dynamic_growth_steps);
}

/// What Keras takes, but does not write.
void take_silent(Fields& fields, const char* key, Fields::Constant value) {
  if (!fields.leaves_out(true)) fields.fixed(key, value);
}

template <class Options>
void take_common_of_loss(Fields& fields, Options& o) {
  constexpr Word<Reduction> kReductions[] = {
      {"sum_over_batch_size", Reduction::kSumOverBatchSize},
      {"mean", Reduction::kSumOverBatchSize},
      {"sum", Reduction::kSum},
      {"mean_with_sample_weight", Reduction::kMeanWithSampleWeight}};
  fields.take("name", o.name);
  fields.take("reduction", o.reduction, kReductions);
  take_silent(fields, "dtype", "float32");
}
template <class Smoothed>
void take_smoothed(Fields& fields, Smoothed& o) {
  take_common_of_loss(fields, o);
  fields.take("from_logits", o.from_logits);
  fields.take("label_smoothing", o.label_smoothing);
  fields.fixed("axis", -1);
}

void take(Fields& fields, losses::LossOptions& o) {
  take_common_of_loss(fields, o);
}
void take(Fields& fields, losses::HuberOptions& o) {
  take_common_of_loss(fields, o);
  // Keras reads it and forgets to write it.
  if (!fields.leaves_out(o.delta == 1.0)) fields.take("delta", o.delta);
}
void take(Fields& fields, losses::BinaryCrossentropyOptions& o) {
  take_smoothed(fields, o);
}
void take(Fields& fields, losses::CategoricalCrossentropyOptions& o) {
  take_smoothed(fields, o);
}
void take(Fields& fields, losses::SparseCategoricalCrossentropyOptions& o) {
  take_common_of_loss(fields, o);
  fields.take("from_logits", o.from_logits);
  fields.take("ignore_class", o.ignore_class);
  take_silent(fields, "axis", -1);
}
void take(Fields& fields, losses::BinaryFocalCrossentropyOptions& o) {
  take_smoothed(fields, o);
  fields.take("apply_class_balancing", o.apply_class_balancing);
  fields.take("alpha", o.alpha);
  fields.take("gamma", o.gamma);
}
void take(Fields& fields, losses::CategoricalFocalCrossentropyOptions& o) {
  take_smoothed(fields, o);
  fields.take("alpha", o.alpha);
  fields.take("gamma", o.gamma);
}
void take(Fields& fields, losses::CategoricalGeneralizedCrossEntropyOptions& o) {
  take_common_of_loss(fields, o);
  fields.take("q", o.q);
}
void take(Fields& fields, losses::DiceOptions& o) {
  take_common_of_loss(fields, o);
  fields.take("axis", o.axis);
}
void take(Fields& fields, losses::TverskyOptions& o) {
  take_common_of_loss(fields, o);
  fields.take("alpha", o.alpha);
  fields.take("beta", o.beta);
  fields.take("axis", o.axis);
}
void take(Fields& fields, losses::CircleOptions& o) {
  take_common_of_loss(fields, o);
  fields.take("gamma", o.gamma);
  fields.take("margin", o.margin);
  fields.take("remove_diagonal", o.remove_diagonal);
}

template <class Options>
void take_decay(Fields& fields, Options& o) {
  fields.take("initial_learning_rate", o.initial_learning_rate);
  fields.take("decay_steps", o.decay_steps);
  fields.take("decay_rate", o.decay_rate);
  fields.take("staircase", o.staircase);
}
void take(Fields& fields, schedules::ExponentialDecayOptions& o) {
  take_decay(fields, o);
  fields.unused("name", "ExponentialDecay");
}
void take(Fields& fields, schedules::InverseTimeDecayOptions& o) {
  take_decay(fields, o);
  fields.unused("name", "InverseTimeDecay");
}
void take(Fields& fields, schedules::PiecewiseConstantDecayOptions& o) {
  fields.take("boundaries", o.boundaries);
  fields.take("values", o.values);
  fields.unused("name", "PiecewiseConstant");
}
void take(Fields& fields, schedules::PolynomialDecayOptions& o) {
  fields.take("initial_learning_rate", o.initial_learning_rate);
  fields.take("decay_steps", o.decay_steps);
  fields.take("end_learning_rate", o.end_learning_rate);
  fields.take("power", o.power);
  fields.take("cycle", o.cycle);
  fields.unused("name", "PolynomialDecay");
}
void take(Fields& fields, schedules::CosineDecayOptions& o) {
  fields.take("initial_learning_rate", o.initial_learning_rate);
  fields.take("decay_steps", o.decay_steps);
  fields.take("alpha", o.alpha);
  fields.take("warmup_target", o.warmup_target);
  fields.take("warmup_steps", o.warmup_steps);
  fields.unused("name", "CosineDecay");
}
void take(Fields& fields, schedules::CosineDecayRestartsOptions& o) {
  fields.take("initial_learning_rate", o.initial_learning_rate);
  fields.take("first_decay_steps", o.first_decay_steps);
  fields.take("t_mul", o.t_mul);
  fields.take("m_mul", o.m_mul);
  fields.take("alpha", o.alpha);
  fields.unused("name", "SGDRDecay");
}

template <class Options, auto kMake>
constexpr auto row(std::string_view name, std::array<std::string_view, 3> aliases = {}) {
  return maker<Options, take, kMake>(name, aliases);
}

constexpr Maker<OptimizerPtr> kOptimizers[] = {
    row<optimizers::SGDOptions, optimizers::SGD>("SGD"),
    row<optimizers::AdamOptions, optimizers::Adam>("Adam"),
    row<optimizers::AdamWOptions, optimizers::AdamW>("AdamW"),
    row<optimizers::RMSpropOptions, optimizers::RMSprop>("RMSprop"),
    row<optimizers::AdagradOptions, optimizers::Adagrad>("Adagrad"),
    row<optimizers::AdafactorOptions, optimizers::Adafactor>("Adafactor"),
    row<optimizers::LionOptions, optimizers::Lion>("Lion"),
    row<optimizers::AdamaxOptions, optimizers::Adamax>("Adamax"),
    row<optimizers::NadamOptions, optimizers::Nadam>("Nadam"),
    row<optimizers::AdadeltaOptions, optimizers::Adadelta>("Adadelta"),
    row<optimizers::FtrlOptions, optimizers::Ftrl>("Ftrl"),
    row<optimizers::LambOptions, optimizers::Lamb>("Lamb"),
    row<optimizers::MuonOptions, optimizers::Muon>("Muon"),
    row<optimizers::ScheduleFreeAdamWOptions, optimizers::ScheduleFreeAdamW>("ScheduleFreeAdamW"),
    row<optimizers::LossScaleOptimizerOptions, optimizers::LossScaleOptimizer>(
        "LossScaleOptimizer"),
};
/// A loss that Keras finds by no name, but in a configuration.
constexpr std::string_view kUnnamed = "CategoricalGeneralizedCrossEntropy";

constexpr Maker<LossPtr> kLosses[] = {
    row<losses::LossOptions, losses::MeanSquaredError>("MeanSquaredError",
                                                       {"mean_squared_error", "mse", "MSE"}),
    row<losses::LossOptions, losses::MeanAbsoluteError>("MeanAbsoluteError",
                                                        {"mean_absolute_error", "mae", "MAE"}),
    row<losses::HuberOptions, losses::Huber>("Huber", {"huber"}),
    row<losses::BinaryCrossentropyOptions, losses::BinaryCrossentropy>(
        "BinaryCrossentropy", {"binary_crossentropy", "bce", "BCE"}),
    row<losses::CategoricalCrossentropyOptions, losses::CategoricalCrossentropy>(
        "CategoricalCrossentropy", {"categorical_crossentropy"}),
    row<losses::SparseCategoricalCrossentropyOptions, losses::SparseCategoricalCrossentropy>(
        "SparseCategoricalCrossentropy", {"sparse_categorical_crossentropy"}),
    row<losses::LossOptions, losses::MeanAbsolutePercentageError>(
        "MeanAbsolutePercentageError", {"mean_absolute_percentage_error", "mape", "MAPE"}),
    row<losses::LossOptions, losses::MeanSquaredLogarithmicError>(
        "MeanSquaredLogarithmicError", {"mean_squared_logarithmic_error", "msle", "MSLE"}),
    row<losses::LossOptions, losses::LogCosh>("LogCosh", {"log_cosh"}),
    row<losses::LossOptions, losses::Poisson>("Poisson", {"poisson"}),
    row<losses::LossOptions, losses::CosineSimilarity>("CosineSimilarity", {"cosine_similarity"}),
    row<losses::LossOptions, losses::KLDivergence>("KLDivergence", {"kl_divergence", "kld", "KLD"}),
    row<losses::LossOptions, losses::Hinge>("Hinge", {"hinge"}),
    row<losses::LossOptions, losses::SquaredHinge>("SquaredHinge", {"squared_hinge"}),
    row<losses::LossOptions, losses::CategoricalHinge>("CategoricalHinge", {"categorical_hinge"}),
    row<losses::BinaryFocalCrossentropyOptions, losses::BinaryFocalCrossentropy>(
        "BinaryFocalCrossentropy", {"binary_focal_crossentropy"}),
    row<losses::CategoricalFocalCrossentropyOptions, losses::CategoricalFocalCrossentropy>(
        "CategoricalFocalCrossentropy", {"categorical_focal_crossentropy"}),
    row<losses::CategoricalGeneralizedCrossEntropyOptions,
        losses::CategoricalGeneralizedCrossEntropy>(kUnnamed,
                                                    {"categorical_generalized_cross_entropy"}),
    row<losses::DiceOptions, losses::Dice>("Dice", {"dice"}),
    row<losses::TverskyOptions, losses::Tversky>("Tversky", {"tversky"}),
    row<losses::CircleOptions, losses::Circle>("Circle", {"circle"}),
    row<losses::LossOptions, losses::CTC>("CTC", {"ctc"}),
};
constexpr Maker<SchedulePtr> kSchedules[] = {
    row<schedules::ExponentialDecayOptions, schedules::ExponentialDecay>("ExponentialDecay"),
    row<schedules::InverseTimeDecayOptions, schedules::InverseTimeDecay>("InverseTimeDecay"),
    row<schedules::PiecewiseConstantDecayOptions, schedules::PiecewiseConstantDecay>(
        "PiecewiseConstantDecay"),
    row<schedules::PolynomialDecayOptions, schedules::PolynomialDecay>("PolynomialDecay"),
    row<schedules::CosineDecayOptions, schedules::CosineDecay>("CosineDecay"),
    row<schedules::CosineDecayRestartsOptions, schedules::CosineDecayRestarts>(
        "CosineDecayRestarts"),
};

}  // namespace

std::span<const Maker<OptimizerPtr>> optimizer_makers() {
  return kOptimizers;
}

std::span<const Maker<LossPtr>> loss_makers() {
  return kLosses;
}

std::span<const Maker<SchedulePtr>> schedule_makers() {
  return kSchedules;
}

OptimizerPtr make_optimizer(std::string_view text) {
  return make(optimizer_makers(), "optimizer", text);
}

LossPtr make_loss(std::string_view text) {
  return make(loss_makers(), "loss", text);
}

SchedulePtr make_schedule(std::string_view text) {
  return make(schedule_makers(), "learning rate", text);
}

}  // namespace lamina::training

namespace lamina {

OptimizerPtr optimizers::get(std::string_view name) {
  return training::plain(training::optimizer_makers(), "optimizer", name);
}

LossPtr losses::get(std::string_view name) {
  LossPtr loss = training::plain(training::loss_makers(), "loss", name);
  training::Description description = *training::Descriptions::of(*loss);
  if (description.class_name == training::kUnnamed) return loss;
  description.given_name = name;
  training::Descriptions::set(loss, std::move(description));
  return loss;
}

}  // namespace lamina
