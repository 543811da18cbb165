// Training on a device against training on the CPU: for a fake device and for a real one.
#pragma once
#include <functional>

#include "tests/training/fit_helpers.h"

namespace lamina::test {

/// Within what the order of sums and the use of fused multiply-adds change.
inline void expect_near(const Tensor& got, const Tensor& wanted, double relative,
                        const std::string& what) {
  ASSERT_EQ(got.shape(), wanted.shape()) << what;
  ASSERT_EQ(got.dtype(), wanted.dtype()) << what;
  const Tensor a = got.to(Device::cpu()).cast(DType::kFloat64);
  const Tensor b = wanted.to(Device::cpu()).cast(DType::kFloat64);
  for (std::size_t i = 0; i < static_cast<std::size_t>(b.size()); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    ASSERT_FALSE(!(std::abs(x - y) <= relative * (1 + std::abs(y))))
        << what << " [" << i << "]: " << x << ", expected " << y;
  }
}

inline void expect_near(const std::vector<VariablePtr>& got, const std::vector<VariablePtr>& wanted,
                        double relative) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    expect_near(got[i]->value(), wanted[i]->value(), relative, wanted[i]->path());
  }
}

struct OptimizerCase {
  const char* name;
  std::function<OptimizerPtr()> make;
};
inline void PrintTo(const OptimizerCase& given, std::ostream* out) {
  *out << given.name;
}

inline std::vector<OptimizerCase> optimizer_cases() {
  namespace o = optimizers;
  return {
      {"SGD", [] { return o::SGD({.weight_decay = 0.01, .clipvalue = 0.4}); }},
      {"Momentum", [] { return o::SGD({.momentum = 0.9, .clipnorm = 3.0}); }},
      {"Nesterov",
       [] { return o::SGD({.momentum = 0.8, .nesterov = true, .global_clipnorm = 2.0}); }},
      {"Adam", [] { return o::Adam({.use_ema = true, .ema_overwrite_frequency = 3}); }},
      {"Amsgrad", [] { return o::Adam({.amsgrad = true, .gradient_accumulation_steps = 3}); }},
      {"AdamW", [] { return o::AdamW({.loss_scale_factor = 4.0}); }},
      {"RMSprop", [] { return o::RMSprop(); }},
      {"CenteredRMSprop", [] { return o::RMSprop({.momentum = 0.5, .centered = true}); }},
      {"MomentumRMSprop", [] { return o::RMSprop({.momentum = 0.5}); }},
      {"PlainCenteredRMSprop", [] { return o::RMSprop({.centered = true}); }},
      {"Adagrad", [] { return o::Adagrad({.use_ema = true, .gradient_accumulation_steps = 2}); }},
      {"Adafactor", [] { return o::Adafactor({.weight_decay = 0.02}); }},
      {"Lion", [] { return o::Lion(); }},
      {"Adamax", [] { return o::Adamax({.clipvalue = 0.5}); }},
      {"Nadam", [] { return o::Nadam({.gradient_accumulation_steps = 2}); }},
      {"Adadelta", [] { return o::Adadelta({.learning_rate = 0.5, .epsilon = 1e-3}); }},
      {"Ftrl", [] { return o::Ftrl({.learning_rate = 0.1, .beta = 0.5, .weight_decay = 0.1}); }},
      {"PowerFtrl",
       [] {
         return o::Ftrl({.learning_rate = 0.1,
                         .learning_rate_power = -0.7,
                         .l1_regularization_strength = 0.1,
                         .l2_regularization_strength = 0.1,
                         .l2_shrinkage_regularization_strength = 0.1});
       }},
      {"Lamb", [] { return o::Lamb(); }},
      {"ScheduleFreeAdamW",
       [] {
         return o::ScheduleFreeAdamW(
             {.learning_rate = 0.05, .warmup_steps = 3, .weight_decay = 0.1, .use_ema = true});
       }},
      {"Muon", [] { return o::Muon({.weight_decay = 0.1, .use_ema = true}); }},
      {"ClippedLamb",
       [] {
         return o::Lamb({.learning_rate = 0.01,
                         .weight_decay = 0.1,
                         .clipnorm = 1.0,
                         .gradient_accumulation_steps = 2});
       }},
  };
}

inline std::vector<VariablePtr> variables(Random& random) {
  std::vector<VariablePtr> out;
  const auto add = [&](const Shape& shape, DType dtype) {
    out.push_back(std::make_shared<Variable>("v", random.tensor(shape).cast(dtype)));
    out.back()->set_path("v" + std::to_string(out.size()));
  };
  add({random.integer(2, 5), random.integer(2000, 5000)}, DType::kFloat32);  // several pieces
  add({7}, DType::kFloat32);
  add({3, 4, 5}, DType::kFloat64);
  add({random.integer(1, 30), 6}, DType::kFloat16);
  add({11}, DType::kBFloat16);
  add({5, 5}, DType::kFloat32);  // without a gradient
  return out;
}

inline std::vector<VariablePtr> copies(const std::vector<VariablePtr>& variables) {
  std::vector<VariablePtr> out;
  for (const VariablePtr& variable : variables) {
    out.push_back(std::make_shared<Variable>("v", variable->value().clone()));
    out.back()->set_path(variable->path());
  }
  return out;
}

/// Constraints of every kind, along each kind of axes, on all but three.
inline void constrain(const std::vector<VariablePtr>& variables) {
  namespace c = constraints;
  variables[0]->set_constraint(c::MaxNorm{.max_value = 0.5});
  variables[1]->set_constraint(c::NonNeg{});
  variables[2]->set_constraint(c::UnitNorm{.axis = {0, 2}});
  variables[3]->set_constraint(
      c::MinMaxNorm{.min_value = 0.2, .max_value = 0.8, .rate = 0.7, .axis = -1});
}

/// An optimizer's steps on a device against those on the CPU.
inline void expect_steps_of_the_cpu(const OptimizerCase& optimizer, Device target, Random& random) {
  const std::vector<VariablePtr> here = variables(random), there = copies(here);
  constrain(here);
  constrain(there);
  for (const VariablePtr& variable : there) variable->to(target);
  const OptimizerPtr cpu = optimizer.make(), device = optimizer.make();
  cpu->build(here);
  device->build(there);
  for (int step = 0; step < 7; ++step) {
    std::vector<Tensor> of_cpu, of_device;
    for (std::size_t i = 0; i < here.size(); ++i) {
      const bool none = i + 1 == here.size();
      of_cpu.push_back(none ? Tensor() : random.tensor(here[i]->shape()).cast(here[i]->dtype()));
      of_device.push_back(none ? Tensor() : of_cpu.back().to(target));
    }
    cpu->apply(of_cpu);
    device->apply(of_device);
    EXPECT_TRUE(device->finite());
  }
  for (std::size_t i = 0; i < here.size(); ++i) {
    EXPECT_EQ(there[i]->device(), target);
    const double relative = here[i]->dtype() == DType::kFloat16    ? 4e-3
                            : here[i]->dtype() == DType::kBFloat16 ? 4e-2
                                                                   : 2e-5;
    expect_near(there[i]->value(), here[i]->value(), relative, here[i]->path());
  }
  expect_near(device->variables(), cpu->variables(), 4e-2);
}

/// Convolutions of each kind, both normalisations, dropout, pooling and a shared layer;
/// regularizers of weights and activities, and constraints.
inline ModelPtr convnet(std::uint64_t seed, const std::string& policy = "float32") {
  set_random_seed(seed);
  set_dtype_policy(policy);
  auto x = layers::Input({.shape = {8, 8, 3}});
  auto y = layers::Conv2D({.filters = 6,
                           .kernel_size = 3,
                           .strides = 2,
                           .padding = "same",
                           .kernel_regularizer = regularizers::L2{0.02}})(x);
  y = layers::BatchNormalization({.momentum = 0.7, .gamma_constraint = "non_neg"})(y);
  y = layers::Activation({.activation = "silu"})(y);
  y = layers::DepthwiseConv2D(
      {.kernel_size = 3,
       .padding = "same",
       .depthwise_regularizer = regularizers::L1L2{0.01, 0.03},
       .depthwise_constraint = constraints::MaxNorm{.max_value = 0.9, .axis = {0, 1}}})(y);
  y = layers::MaxPooling2D({.pool_size = 2})(y);
  const LayerRef shared =
      layers::Dense({.units = 6,
                     .activation = "tanh",
                     .activity_regularizer = regularizers::L1L2{0.002, 0.01},
                     .kernel_constraint = constraints::MinMaxNorm{.rate = 0.5}});
  y = shared(shared(y));
  y = layers::LayerNormalization()(y);
  y = layers::Conv2DTranspose({.filters = 4, .kernel_size = 2, .strides = 2})(y);
  y = layers::GlobalAveragePooling2D()(y);
  y = layers::Dropout({.rate = 0.2})(y);
  y = layers::Dense({.units = 3, .kernel_regularizer = regularizers::OrthogonalRegularizer{0.3}})(
      y);
  set_dtype_policy("float32");
  return Functional::create(x, y);
}

inline void compile(const ModelPtr& model, const OptimizerPtr& optimizer) {
  model->compile({.optimizer = optimizer,
                  .loss = losses::SparseCategoricalCrossentropy({.from_logits = true}),
                  .metrics = {"accuracy"}});
}

/// The same on both, step by step: losses, then all weights and the optimizer's state.
inline void expect_same_training(const ModelPtr& here, const ModelPtr& there, Device target,
                                 Random& random, double relative) {
  // Not Adam, which makes steps of full size of gradients that are rounding alone, as those of a
  // bias before batch normalisation.
  for (const ModelPtr& model : {here, there}) {
    compile(model, optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9}));
  }
  there->to(target);
  for (int step = 0; step < 6; ++step) {
    const std::int64_t rows = step == 4 ? 3 : 5;  // another graph in between
    const Tensor x = random.tensor({rows, 8, 8, 3}), y = random.classes({rows}, 3);
    const Logs cpu = here->train_on_batch(x, y), device = there->train_on_batch(x, y);
    ASSERT_NEAR(device.at("loss"), cpu.at("loss"), relative * (1 + cpu.at("loss"))) << step;
  }
  for (const VariablePtr& variable : there->variables()) EXPECT_EQ(variable->device(), target);
  expect_near(there->variables(), here->variables(), 20 * relative);
  const Tensor x = random.tensor({4, 8, 8, 3});
  expect_near(there->predict(x), here->predict(x), 20 * relative, "prediction");
}

}  // namespace lamina::test
