// What optimizers do around their formulas (formulas_test.cpp); against Keras: tests/interop.
#include <gmock/gmock.h>
#include <omp.h>

#include "core/variable_access.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::testing::AllOf;
using ::testing::HasSubstr;

VariablePtr variable(const Tensor& value, const std::string& path = "dense/kernel") {
  auto out = std::make_shared<Variable>(path.substr(path.find('/') + 1), value);
  out->set_path(path);
  return out;
}

float first(const VariablePtr& variable) {
  return variable->value().data<float>()[0];
}

TEST(Optimizers, GradientsAreClippedByNorm) {
  const Tensor g = Tensor::from<float>({3, 4}, {2}), h = Tensor::from<float>({0.3F}, {1});
  const auto moved = [&](optimizers::SGDOptions options) {
    options.learning_rate = 1.0;
    const auto sgd = optimizers::SGD(options);
    const VariablePtr a = variable(Tensor::zeros({2}), "a/w"),
                      b = variable(Tensor::zeros({1}), "b/w");
    sgd->build({a, b});
    sgd->apply({g, h});
    return std::vector<float>{-first(a), -a->value().data<float>()[1], -first(b)};
  };
  const auto by_norm = moved({.clipnorm = 1.0});
  EXPECT_FLOAT_EQ(by_norm[0], 0.6F);
  EXPECT_FLOAT_EQ(by_norm[1], 0.8F);
  EXPECT_FLOAT_EQ(by_norm[2], 0.3F);
  const auto by_value = moved({.clipvalue = 3.5});
  EXPECT_FLOAT_EQ(by_value[0], 3);
  EXPECT_FLOAT_EQ(by_value[1], 3.5F);
  const auto by_all = moved({.global_clipnorm = 1.0});
  const float norm = std::sqrt(25.09F);
  EXPECT_FLOAT_EQ(by_all[0], 3 / norm);
  EXPECT_FLOAT_EQ(by_all[2], 0.3F / norm);
}

TEST(Optimizers, AccumulatedGradientsGiveOneStepOfTheirMean) {
  Random random;
  const Tensor start = random.tensor({7});
  const VariablePtr one = variable(start.clone()), three = variable(start.clone());
  const auto plain = optimizers::Adam();
  const auto accumulating = optimizers::Adam({.gradient_accumulation_steps = 3});
  plain->build({one});
  accumulating->build({three});
  for (int round = 0; round < 4; ++round) {
    Tensor mean = Tensor::zeros({7});
    for (int i = 0; i < 3; ++i) {
      const Tensor before = three->value().clone(), g = random.tensor({7});
      for (std::size_t k = 0; k < 7; ++k) mean.data<float>()[k] += g.data<float>()[k] / 3;
      accumulating->apply({g});
      EXPECT_EQ(bitwise_equal(before, three->value()), i < 2);
    }
    plain->apply({mean});
    for (std::size_t k = 0; k < 7; ++k) {
      EXPECT_NEAR(one->value().data<float>()[k], three->value().data<float>()[k], 1e-5);
    }
  }
  EXPECT_EQ(accumulating->iterations(), 4);
  EXPECT_EQ(accumulating->steps(), 12);
}

TEST(Optimizers, AveragesFollowTheVariables) {
  const auto sgd = optimizers::SGD({.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5});
  const VariablePtr w = variable(Tensor::from<float>({1}, {1}));
  sgd->build({w});
  const Tensor g = Tensor::from<float>({1}, {1});
  double average = 0;
  for (int step = 0; step < 5; ++step) {
    sgd->apply({g});
    average = step == 0 ? first(w) : 0.5 * average + 0.5 * first(w);
  }
  EXPECT_FLOAT_EQ(first(sgd->variables()[2]), static_cast<float>(average));
  sgd->finalize_variable_values();
  EXPECT_FLOAT_EQ(first(w), static_cast<float>(average));
  const auto often = optimizers::SGD(
      {.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5, .ema_overwrite_frequency = 2});
  const VariablePtr x = variable(Tensor::from<float>({0}, {1}));
  often->build({x});
  often->apply({g});
  EXPECT_FLOAT_EQ(first(x), -1);
  often->apply({g});
  EXPECT_FLOAT_EQ(first(x), -1.5F);
}

TEST(Optimizers, TakeNoStepWhileAveragesAreInThePlaceOfVariables) {
  const auto sgd = optimizers::SGD({.learning_rate = 1.0, .use_ema = true, .name = "mine"});
  const OptimizerPtr scaled = optimizers::LossScaleOptimizer({.inner_optimizer = sgd});
  const VariablePtr w = variable(Tensor::from<float>({1}, {1}));
  scaled->build({w});
  const Tensor g = Tensor::from<float>({1}, {1});
  scaled->apply({g});
  scaled->swap_averages();
  const std::vector<Tensor> before = values_of(scaled->variables());
  const float value = first(w);
  for (const OptimizerPtr& each : {OptimizerPtr(sgd), scaled}) {
    EXPECT_EQ(message_of([&] { each->apply({g}); }),
              "Optimizer 'mine': variables and averages have changed places; call swap_averages() "
              "before the next step.");
  }
  const std::vector<Tensor> after = values_of(scaled->variables());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin(), after.end(), bitwise_equal));
  EXPECT_EQ(first(w), value);
  scaled->swap_averages();
  EXPECT_NO_THROW(scaled->apply({g}));
}

TEST(Optimizers, LeaveValuesThatAreSharedAsTheyAre) {
  Random random;
  const VariablePtr w = variable(random.tensor({4000}));
  const auto adam = optimizers::Adam();
  adam->build({w});
  std::vector<Tensor> kept, copies;
  for (int step = 0; step < 6; ++step) {
    adam->apply({random.tensor({4000})});
    if (step % 2 == 0) {
      kept.push_back(w->value());
      copies.push_back(w->value().clone());
    }
  }
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(bitwise_equal(kept[i], copies[i])) << i;
}

TEST(Optimizers, WriteInPlaceWhatNobodyShares) {
  const VariablePtr w = variable(Tensor::zeros({4000}));
  const auto adam = optimizers::Adam();
  adam->build({w});
  const Tensor g = Tensor::zeros({4000});
  adam->apply({g});
  const void* place = w->value().raw();
  const std::uint64_t version = core::VariableAccess::version(*w);
  adam->apply({g});
  EXPECT_EQ(w->value().raw(), place);
  EXPECT_GT(core::VariableAccess::version(*w), version);
}

TEST(Optimizers, GiveTheSameBitsHoweverManyThreads) {
  Random random;
  const Tensor start = random.tensor({100, 999}), g = random.tensor({100, 999});
  const auto run = [&](int threads, const OptimizerPtr& optimizer) {
    omp_set_num_threads(threads);
    const VariablePtr w = variable(start.clone());
    optimizer->build({w});
    for (int i = 0; i < 3; ++i) optimizer->apply({g});
    return w->value();
  };
  const int before = omp_get_max_threads();
  const auto adam = [] { return optimizers::Adam({.global_clipnorm = 0.5}); };
  const auto lamb = [] { return optimizers::Lamb(); };
  const Tensor one = run(1, adam()), many = run(5, adam());
  const Tensor one_of_lamb = run(1, lamb()), many_of_lamb = run(5, lamb());
  omp_set_num_threads(before);
  EXPECT_TRUE(bitwise_equal(one, many));
  EXPECT_TRUE(bitwise_equal(one_of_lamb, many_of_lamb));
}

TEST(Optimizers, FollowSchedulesAndSetRates) {
  const auto sgd = optimizers::SGD({.learning_rate = schedules::PiecewiseConstantDecay(
                                        {.boundaries = {0}, .values = {1, 0.5}})});
  const VariablePtr w = variable(Tensor::zeros({1}));
  sgd->build({w});
  EXPECT_EQ(sgd->variables().size(), 1U);
  const Tensor g = Tensor::from<float>({1}, {1});
  sgd->apply({g});
  sgd->apply({g});
  EXPECT_FLOAT_EQ(first(w), -1.5F);
  EXPECT_THROW(sgd->set_learning_rate(1), ValueError);
  const auto fixed = optimizers::SGD();
  fixed->set_learning_rate(0.25);
  EXPECT_EQ(fixed->learning_rate(), 0.25);
}

TEST(Optimizers, DecayOnlyWhatIsNotLeftOut) {
  const auto adam = optimizers::AdamW({.learning_rate = 0.1, .weight_decay = 0.5});
  adam->exclude_from_weight_decay({"bias"});
  const VariablePtr kernel = variable(Tensor::from<float>({1}, {1}), "d/kernel"),
                    bias = variable(Tensor::from<float>({1}, {1}), "d/bias");
  adam->build({kernel, bias});
  const Tensor g = Tensor::zeros({1});
  adam->apply({g, g});
  EXPECT_FLOAT_EQ(first(kernel), 0.95F);
  EXPECT_EQ(first(bias), 1);
  EXPECT_THROW(adam->exclude_from_weight_decay({}), ValueError);
}

TEST(Optimizers, LeaveOutOfTheDecayWhatARegularExpressionFinds) {
  const auto decays = [](const std::vector<std::string>& patterns, const std::string& name) {
    const auto adam = optimizers::AdamW({.learning_rate = 0.1, .weight_decay = 0.5});
    adam->exclude_from_weight_decay(patterns);
    const VariablePtr one = variable(Tensor::from<float>({1}, {1}), "d/" + name);
    adam->build({one});
    adam->apply({Tensor::zeros({1})});
    return first(one) != 1;
  };
  for (const char* name : {"bias", "gamma", "beta"}) {
    EXPECT_FALSE(decays({"^(bias|gamma|beta)$"}, name)) << name;
  }
  EXPECT_TRUE(decays({"^(bias|gamma|beta)$"}, "bias_2"));
  EXPECT_FALSE(decays({"kernel", "bias_[0-9]"}, "bias_2"));
  EXPECT_TRUE(decays({"kernel", "bias_[3-9]"}, "bias_2"));
  EXPECT_TRUE(decays({"d/"}, "kernel")) << "the name, not the path";
  EXPECT_TRUE(decays({}, "kernel"));
}

TEST(Optimizers, NameAPatternThatIsNone) {
  const auto adam = optimizers::AdamW({.learning_rate = 0.1, .weight_decay = 0.5});
  adam->exclude_from_weight_decay({"bias"});
  EXPECT_THAT(message_of([&] {
                adam->exclude_from_weight_decay({"kernel", "(bias"});
              }),
              AllOf(HasSubstr("exclude_from_weight_decay"), HasSubstr("'(bias'"),
                    HasSubstr("regular expression")));
  const VariablePtr bias = variable(Tensor::from<float>({1}, {1}), "d/bias"),
                    kernel = variable(Tensor::from<float>({1}, {1}), "d/kernel");
  adam->build({bias, kernel});
  adam->apply({Tensor::zeros({1}), Tensor::zeros({1})});
  EXPECT_EQ(first(bias), 1) << "what was excluded before still is";
  EXPECT_NE(first(kernel), 1);
}

TEST(Optimizers, StateStandsInKerasOrder) {
  const auto names = [](const OptimizerPtr& optimizer) {
    const VariablePtr a = variable(Tensor::zeros({2, 3}), "a/w"),
                      b = variable(Tensor::zeros({2}), "b/w");
    optimizer->build({a, b});
    std::vector<std::string> out;
    for (const VariablePtr& v : optimizer->variables()) out.push_back(v->name());
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(optimizers::SGD()), (Names{"iteration", "learning_rate"}));
  EXPECT_EQ(names(optimizers::Adam({.amsgrad = true})),
            (Names{"iteration", "learning_rate", "a_w_momentum", "a_w_velocity", "b_w_momentum",
                   "b_w_velocity", "a_w_velocity_hat", "b_w_velocity_hat"}));
  EXPECT_EQ(
      names(optimizers::RMSprop(
          {.momentum = 0.5, .centered = true, .use_ema = true, .gradient_accumulation_steps = 2})),
      (Names{"iteration", "learning_rate", "a_w_average", "b_w_average", "a_w_gradient_accumulator",
             "b_w_gradient_accumulator", "a_w_velocity", "b_w_velocity", "a_w_momentum",
             "b_w_momentum", "a_w_average_gradient", "b_w_average_gradient"}));
  const auto adafactor = optimizers::Adafactor();
  EXPECT_EQ(names(adafactor), (Names{"iteration", "learning_rate", "a_w_r", "a_w_c", "a_w_velocity",
                                     "b_w_r", "b_w_c", "b_w_velocity"}));
  EXPECT_EQ(adafactor->variables()[2]->shape(), Shape{2});
  EXPECT_EQ(adafactor->variables()[3]->shape(), Shape{3});
  EXPECT_EQ(adafactor->variables()[5]->shape(), Shape{});
  EXPECT_EQ(adafactor->variables()[5]->dtype(), DType::kInt32);
  EXPECT_EQ(names(optimizers::Adamax()), (Names{"iteration", "learning_rate", "a_w_momentum",
                                                "a_w_norm", "b_w_momentum", "b_w_norm"}));
  EXPECT_EQ(
      names(optimizers::Adadelta()),
      (Names{"iteration", "learning_rate", "a_w_accumulated_grad", "a_w_accumulated_delta_var",
             "b_w_accumulated_grad", "b_w_accumulated_delta_var"}));
  const auto ftrl = optimizers::Ftrl({.initial_accumulator_value = 0.25});
  EXPECT_EQ(names(ftrl), (Names{"iteration", "learning_rate", "a_w_accumulator", "a_w_linear",
                                "b_w_accumulator", "b_w_linear"}));
  EXPECT_EQ(first(ftrl->variables()[4]), 0.25F);
  EXPECT_EQ(first(ftrl->variables()[5]), 0);
  const auto nadam = optimizers::Nadam({.use_ema = true});
  EXPECT_EQ(names(nadam),
            (Names{"iteration", "learning_rate", "a_w_average", "b_w_average", "a_w_momentum",
                   "a_w_velocity", "b_w_momentum", "b_w_velocity", "u_product"}));
  EXPECT_EQ(nadam->variables().back()->shape(), Shape{});
  EXPECT_EQ(first(nadam->variables().back()), 1);
}

TEST(Optimizers, NarrowTypesAreComputedAsFloat) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat64}) {
    const VariablePtr w = variable(Tensor::from<float>({1, 2}, {2}).cast(dtype));
    const auto adam = optimizers::Adam({.learning_rate = 0.5});
    adam->build({w});
    adam->apply({Tensor::from<float>({1, -1}, {2})});
    const Tensor value = w->value().cast(DType::kFloat32);
    EXPECT_EQ(w->value().dtype(), dtype);
    EXPECT_NEAR(value.data<float>()[0], 0.5, 1e-5);  // both are numbers of every type
    EXPECT_NEAR(value.data<float>()[1], 2.5, 1e-5);
  }
}

TEST(Optimizers, SkipVariablesWithoutGradient) {
  const VariablePtr a = variable(Tensor::from<float>({1}, {1}), "a/w"),
                    b = variable(Tensor::from<float>({1}, {1}), "b/w");
  const auto adam = optimizers::AdamW({.learning_rate = 0.1});
  adam->build({a, b});
  adam->apply({Tensor::from<float>({1}, {1}), Tensor()});
  EXPECT_NE(first(a), 1);
  EXPECT_EQ(first(b), 1);
  EXPECT_EQ(first(adam->variables()[4]), 0);
}

TEST(Optimizers, RefuseWhatDoesNotFitAndChangeNothing) {
  const VariablePtr w = variable(Tensor::zeros({2, 3}));
  const auto adam = optimizers::Adam({.name = "mine"});
  EXPECT_THAT(message_of([&] {
                adam->apply({Tensor::zeros({2, 3})});
              }),
              HasSubstr("must be built"));
  adam->build({w});
  EXPECT_THAT(message_of([&] {
                adam->apply({Tensor::zeros({3, 2})});
              }),
              AllOf(HasSubstr("mine"), HasSubstr("dense/kernel"), HasSubstr("(3, 2)"),
                    HasSubstr("(2, 3)")));
  EXPECT_THAT(message_of([&] {
                adam->apply({Tensor::zeros({2, 3}), Tensor::zeros({1})});
              }),
              AllOf(HasSubstr("2 gradients"), HasSubstr("1 trainable")));
  EXPECT_THAT(message_of([&] { adam->apply({Tensor()}); }), HasSubstr("No gradients"));
  EXPECT_EQ(adam->iterations(), 0);
  adam->build({w});
  EXPECT_THROW(adam->build({variable(Tensor::zeros({1}))}), ValueError);
}

TEST(Optimizers, RefuseWhatKerasRefuses) {
  EXPECT_EQ(message_of([] { (void)optimizers::SGD({.momentum = 1.5}); }),
            "`momentum` must be a float between [0, 1]. Received: momentum=1.5");
  EXPECT_THROW((void)optimizers::Lion({.beta_1 = 0}), ValueError);
  EXPECT_EQ(message_of([] { (void)optimizers::Ftrl({.initial_accumulator_value = -0.5}); }),
            "`initial_accumulator_value` needs to be positive or zero. Received: "
            "initial_accumulator_value=-0.5.");
  EXPECT_EQ(message_of([] { (void)optimizers::Ftrl({.learning_rate_power = 0.25}); }),
            "`learning_rate_power` needs to be negative or zero. Received: "
            "learning_rate_power=0.25.");
  EXPECT_THROW((void)optimizers::Ftrl({.l1_regularization_strength = -1}), ValueError);
  EXPECT_THROW((void)optimizers::Ftrl({.l2_regularization_strength = -1}), ValueError);
  EXPECT_THROW((void)optimizers::Ftrl({.l2_shrinkage_regularization_strength = -1}), ValueError);
  EXPECT_THROW((void)optimizers::Adam({.clipnorm = 1.0, .clipvalue = 1.0}), ValueError);
  EXPECT_THROW((void)optimizers::Adam({.use_ema = true, .ema_momentum = 2}), ValueError);
  EXPECT_THROW((void)optimizers::Adam({.use_ema = true, .ema_overwrite_frequency = 0}), ValueError);
  EXPECT_THROW((void)optimizers::Adam({.gradient_accumulation_steps = 1}), ValueError);
  EXPECT_THAT(message_of([] { (void)optimizers::get("nonsense"); }), HasSubstr("RMSprop"));
}

TEST(Optimizers, AreNamedAfterTheirClass) {
  const std::string name = optimizers::AdamW()->name();
  EXPECT_EQ(name.rfind("adam_w", 0), 0U) << name;
  for (const char* word : {"adamax", "nadam", "adadelta", "ftrl", "lamb"}) {
    EXPECT_EQ(optimizers::get(word)->name().rfind(word, 0), 0U) << word;
  }
}

TEST(CompiledModels, KeepTheirOptimizerInWeightsFiles) {
  Random random;
  const Spokes data(random, 60);
  const Scratch scratch;
  const auto make = [](std::uint64_t seed) {
    const ModelPtr model = classifier(seed, 0.0);
    model->compile({.optimizer = optimizers::AdamW({.amsgrad = true, .use_ema = true}),
                    .loss = "sparse_categorical_crossentropy"});
    return model;
  };
  const ModelPtr a = make(1), b = make(2);
  for (int i = 0; i < 5; ++i) (void)a->train_on_batch(data.x, data.y);
  a->save_weights(scratch / "a.weights.h5");
  b->load_weights(scratch / "a.weights.h5");
  expect_same_bits(*a, *b);
  for (int i = 0; i < 5; ++i) {
    (void)a->train_on_batch(data.x, data.y);
    (void)b->train_on_batch(data.x, data.y);
  }
  expect_same_bits(*a, *b);
}

}  // namespace
}  // namespace lamina
