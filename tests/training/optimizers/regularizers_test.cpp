// What regularizers add to the loss and to gradients, against their formulas and central
// differences; against Keras: tests/interop.
#include <gmock/gmock.h>
#include <omp.h>

#include <cmath>

#include "tests/training/fit_helpers.h"
#include "tests/training/graph/gradient_check.h"
#include "training/optimizers/penalties.h"

namespace lamina {
namespace {

using namespace test;
using regularizers::L1;
using regularizers::L1L2;
using regularizers::L2;
using ::testing::HasSubstr;

const EvaluateOptions kSilent{.verbose = Verbose::kSilent};

/// l1 * sum(|x|) + l2 * sum(x^2) in double.
double value_of(training::Penalties&& penalties) {
  return penalties.value_of(penalties.sums());
}
double value_of(training::Penalties& penalties) {
  return value_of(std::move(penalties));
}

double penalty_of(const Tensor& x, double l1, double l2) {
  const Tensor wide = x.cast(DType::kFloat64);
  double sum = 0;
  for (const double v : wide.data<double>()) sum += l1 * std::abs(v) + l2 * v * v;
  return sum;
}

/// Two Dense layers, "body" and "head", with the same weights each time for one seed.
ModelPtr dense_model(std::uint64_t seed, const layers::DenseOptions& body = {},
                     const layers::DenseOptions& head = {}) {
  set_random_seed(seed);
  auto x = layers::Input({.shape = {4}});
  layers::DenseOptions first = body, second = head;
  first.units = 8;
  first.activation = "tanh";
  first.name = "body";
  first.bias_initializer = initializers::RandomNormal{.stddev = 0.5};
  second.units = 3;
  second.name = "head";
  return Functional::create(x, layers::Dense(second)(layers::Dense(first)(x)));
}

void compile(const ModelPtr& model, const OptimizerPtr& optimizer) {
  model->compile({.optimizer = optimizer,
                  .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
}

Tensor value_of(const ModelPtr& model, const char* layer, std::size_t index) {
  return model->get_layer(layer)->own_variables()[index]->value().clone();
}

TEST(Regularizers, AddTheirFormulaToTheLossOfTrainingAndOfEvaluation) {
  Random random;
  const Spokes data(random, 30);
  const layers::DenseOptions body{.kernel_regularizer = L1L2{0.02, 0.3},
                                  .bias_regularizer = L1{0.25}};
  const layers::DenseOptions head{.kernel_regularizer = "l2"};
  const ModelPtr plain = dense_model(5), with = dense_model(5, body, head);
  for (const ModelPtr& model : {plain, with}) compile(model, optimizers::SGD());
  const double expected = penalty_of(value_of(with, "body", 0), 0.02, 0.3) +
                          penalty_of(value_of(with, "body", 1), 0.25, 0) +
                          penalty_of(value_of(with, "head", 0), 0, 0.01);
  ASSERT_GT(expected, 0.1);
  const double evaluated = plain->evaluate(data.x, data.y, kSilent).at("loss");
  EXPECT_NEAR(with->evaluate(data.x, data.y, kSilent).at("loss") - evaluated, expected, 1e-5);
  const double trained = plain->train_on_batch(data.x, data.y).at("loss");
  EXPECT_NEAR(with->train_on_batch(data.x, data.y).at("loss") - trained, expected, 1e-5);
}

TEST(Regularizers, OfSeveralOutputsAreInTheSumAlone) {
  Random random;
  const Spokes data(random, 20);
  set_random_seed(3);
  auto x = layers::Input({.shape = {4}});
  auto a = layers::Dense({.units = 3, .kernel_regularizer = L2{0.5}, .name = "a"})(x);
  auto b = layers::Dense({.units = 3, .name = "b"})(x);
  const ModelPtr model = Functional::create({x}, {a, b});
  model->compile({.optimizer = "sgd",
                  .loss = losses::SparseCategoricalCrossentropy({.from_logits = true}),
                  .loss_weights = {1, 0.5}});
  const double expected = penalty_of(value_of(model, "a", 0), 0, 0.5);
  const Logs logs = model->train_on_batch({data.x}, {data.y, data.y});
  EXPECT_NEAR(logs.at("loss"), logs.at("a_loss") + 0.5 * logs.at("b_loss") + expected, 1e-5);
}

TEST(Regularizers, PenaltiesOfEveryFloatTypeAreTheirFormula) {
  Random random;
  std::vector<VariablePtr> variables;
  double expected = 0;
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16}) {
    // Several pieces, the last of them not full.
    const Shape shape{random.integer(2, 4), random.integer(3000, 5000)};
    variables.push_back(std::make_shared<Variable>("v", random.tensor(shape).cast(dtype)));
    variables.back()->set_regularizer(L1L2{0.125, 0.25});  // the same in every dtype
    expected += penalty_of(variables.back()->value(), 0.125, 0.25);
  }
  variables.push_back(std::make_shared<Variable>("none", random.tensor({9})));
  training::Penalties penalties(variables, Device::cpu());
  EXPECT_NEAR(value_of(penalties), expected, 4e-3 * expected);  // bfloat16's are rounded to 8 bits
  const double value = value_of(penalties);
  const int threads = omp_get_max_threads();
  omp_set_num_threads(3);
  EXPECT_EQ(value_of(penalties), value) << "the number of threads shows";
  omp_set_num_threads(threads);
}

TEST(Regularizers, L1KeepsItsFactorInSinglePrecisionAsKeras) {
  Random random;
  const auto variable = std::make_shared<Variable>("v", random.tensor({50}).cast(DType::kFloat64));
  variable->set_regularizer(L1{0.1});
  EXPECT_DOUBLE_EQ(value_of(training::Penalties({variable}, Device::cpu())),
                   penalty_of(variable->value(), static_cast<double>(0.1F), 0));
  variable->set_regularizer(L1L2{.l1 = 0.1});
  EXPECT_DOUBLE_EQ(value_of(training::Penalties({variable}, Device::cpu())),
                   penalty_of(variable->value(), 0.1, 0));
}

TEST(Regularizers, OrthogonalIsTheMeanOfTheCosinesOfPairs) {
  Random random;
  // More than are worked on at once, or fewer.
  const std::int64_t rows = random.integer(3, 200), columns = random.integer(2, 200);
  const auto variable = std::make_shared<Variable>("v", random.tensor({rows, columns}));
  const Tensor wide = variable->value().cast(DType::kFloat64);
  const auto expected = [&](std::int64_t count, std::int64_t length, std::int64_t step,
                            std::int64_t stride) {
    const auto dot = [&](std::int64_t a, std::int64_t b) {
      double sum = 0;
      for (std::int64_t k = 0; k < length; ++k) {
        sum += wide.data<double>()[std::size_t(a * step + k * stride)] *
               wide.data<double>()[std::size_t(b * step + k * stride)];
      }
      return sum;
    };
    double sum = 0, pairs = 0;
    for (std::int64_t a = 0; a < count; ++a) {
      for (std::int64_t b = 0; b < a; ++b, ++pairs) {
        sum += std::abs(dot(a, b)) / std::sqrt(dot(a, a) * dot(b, b));
      }
    }
    return 0.5 * sum / pairs;
  };
  variable->set_regularizer(regularizers::OrthogonalRegularizer{0.5});
  EXPECT_NEAR(value_of(training::Penalties({variable}, Device::cpu())),
              expected(rows, columns, columns, 1), 1e-5);
  variable->set_regularizer(regularizers::OrthogonalRegularizer{0.5, "columns"});
  training::Penalties penalties({variable}, Device::cpu());
  EXPECT_NEAR(value_of(penalties), expected(columns, rows, 1, columns), 1e-5);
  const auto gradient_of = [&] {
    Tensor gradient = Tensor::empty(variable->shape());
    penalties.add_gradients({gradient}, 1, [](std::size_t) { return true; });
    return gradient;
  };
  const double value = value_of(penalties);
  const Tensor gradient = gradient_of();
  const int threads = omp_get_max_threads();
  omp_set_num_threads(3);
  EXPECT_EQ(value_of(penalties), value) << "the number of threads shows";
  EXPECT_TRUE(bitwise_equal(gradient_of(), gradient)) << "the number of threads shows";
  omp_set_num_threads(threads);
  EXPECT_THROW((void)Regularizer(regularizers::OrthogonalRegularizer{0.5, "diagonals"}),
               ValueError);
  EXPECT_THROW((void)Regularizer(regularizers::OrthogonalRegularizer{-0.5}), ValueError);
}

TEST(Regularizers, OrthogonalTakesTheClippedLengthOfATinyRowForAConstant) {
  const double tiny = 1e-8;
  const auto variable =
      std::make_shared<Variable>("v", Tensor::from<double>({3 * tiny, 4 * tiny, 0.8, 0.6}, {2, 2}));
  variable->set_regularizer(regularizers::OrthogonalRegularizer{0.5});
  training::Penalties penalties({variable}, Device::cpu());
  const double cosine = 0.3 * 0.8 + 0.4 * 0.6;  // 1e7 instead of 1 / |x| for the first row
  EXPECT_NEAR(value_of(penalties), 0.5 * 0.5 * 2 * cosine, 1e-6);
  Tensor gradient = Tensor::from<double>({9, 9, 9, 9}, {2, 2});
  penalties.add_gradients({gradient}, 1, [](std::size_t) { return true; });
  const std::vector<double> expected = {0.5 * 0.8 * 1e7, 0.5 * 0.6 * 1e7,
                                        0.5 * (0.3 - 0.8 * cosine), 0.5 * (0.4 - 0.6 * cosine)};
  for (std::size_t i = 0; i < 4; ++i) {
    const double got = gradient.data<double>()[i];
    EXPECT_NEAR(got, expected[i], 1e-6 * std::abs(expected[i])) << i;
  }
}

TEST(Regularizers, OrthogonalIsOfMatrices) {
  Random random;
  const auto x = layers::Input({.shape = {5, 5, 1}});
  const auto y = layers::Conv2D({.filters = 2,
                                 .kernel_size = 2,
                                 .kernel_regularizer = regularizers::OrthogonalRegularizer{},
                                 .name = "conv"})(x);
  const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(layers::Flatten()(y)));
  compile(model, optimizers::SGD());
  EXPECT_THAT(message_of([&] {
                (void)model->train_on_batch(random.tensor({2, 5, 5, 1}), random.classes({2}, 3));
              }),
              HasSubstr("must have rank 2. Received: inputs.shape=(2, 2, 1, 2) of the variable "
                        "'conv/kernel'"));
  const LayerRef dense = layers::Dense({.units = 2});
  EXPECT_THROW(dense->set_activity_regularizer(regularizers::OrthogonalRegularizer{}),
               UnsupportedError);
}

TEST(Regularizers, EvaluationFollowsTheWeights) {
  Random random;
  const Spokes data(random, 12);
  const ModelPtr model = dense_model(5, {.kernel_regularizer = L2{0.5}});
  compile(model, optimizers::SGD());
  const auto penalty = [&] {
    const double alone = (*losses::SparseCategoricalCrossentropy({.from_logits = true}))(
        data.y, model->predict(data.x));
    return model->evaluate(data.x, data.y, {.batch_size = 4, .verbose = Verbose::kSilent})
               .at("loss") -
           alone;
  };
  for (int i = 0; i < 3; ++i) {
    const double expected = penalty_of(value_of(model, "body", 0), 0, 0.5);
    EXPECT_NEAR(penalty(), expected, 1e-5 * (1 + expected));
    EXPECT_NEAR(penalty(), expected, 1e-5 * (1 + expected)) << "asked for again";
    const VariablePtr kernel = model->get_layer("body")->own_variables()[0];
    kernel->assign(random.tensor(kernel->shape(), -2, 2));
  }
}

TEST(Regularizers, HaveTheGradientsOfCentralDifferences) {
  training::testkit::Seeded seeded;
  SCOPED_TRACE(seeded.note());
  set_dtype_policy("float64");
  auto x = layers::Input({.dtype = "float64", .batch_shape = Shape{3, 6, 6, 2}});
  auto y = layers::Conv2D({.filters = 3,
                           .kernel_size = 2,
                           .kernel_regularizer = L1L2{0.3, 0.2},
                           .bias_regularizer = L2{0.4},
                           .activity_regularizer = L2{0.7}})(x);
  y = layers::DepthwiseConv2D({.kernel_size = 2, .depthwise_regularizer = L1{0.5}})(y);
  y = layers::SeparableConv2D({.filters = 4,
                               .kernel_size = 2,
                               .depthwise_regularizer = L2{0.3},
                               .pointwise_regularizer = L1{0.2},
                               .bias_regularizer = L1{0.1}})(y);
  y = layers::BatchNormalization({.beta_regularizer = L2{0.6}, .gamma_regularizer = L1{0.4}})(y);
  const LayerRef shared = layers::Dense({.units = 4,
                                         .activation = "silu",
                                         .kernel_regularizer = L2{0.2},
                                         .activity_regularizer = L1L2{0.4, 0.3}});
  y = shared(shared(y));  // two calls: its weights count once, what it gives twice
  y = layers::Dense({.units = 5, .kernel_regularizer = regularizers::OrthogonalRegularizer{0.6}})(
      y);
  y = layers::Dense(
      {.units = 3, .kernel_regularizer = regularizers::OrthogonalRegularizer{0.4, "columns"}})(y);
  y = layers::LayerNormalization({.beta_regularizer = L1{0.2}, .gamma_regularizer = L2{0.5}})(y);
  y = layers::PReLU({.alpha_regularizer = L2{0.3}, .shared_axes = {1, 2}})(y);
  const ModelPtr model = Functional::create(x, y);
  set_dtype_policy("float32");
  training::testkit::randomize(*model, *seeded);
  training::testkit::expect_gradients(
      *model, {training::testkit::random_normal({3, 6, 6, 2}, DType::kFloat64, *seeded)}, *seeded);
}

TEST(Regularizers, ActivitiesAddTheirFormulaOverTheBatchForEachCall) {
  Random random;
  for (const std::int64_t rows : {7, 20}) {
    const Spokes data(random, rows);
    set_random_seed(4);
    auto x = layers::Input({.shape = {4}});
    const LayerRef shared =
        layers::Dense({.units = 4, .activity_regularizer = L1L2{0.3, 0.2}, .name = "shared"});
    const auto middle = shared(x), last = shared(middle);
    const LayerRef flat = layers::Flatten();
    flat->set_activity_regularizer(L1{0.5});
    const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(flat(last)));
    const ModelPtr inner = Functional::create({x}, {middle, last});
    compile(model, optimizers::SGD());
    const std::vector<Tensor> given = inner->predict(std::vector<Tensor>{data.x});
    const double expected = (penalty_of(given[0], 0.3, 0.2) +
                             penalty_of(given[1], 0.3 + static_cast<double>(0.5F), 0.2)) /
                            static_cast<double>(rows);
    const Tensor logits = model->predict(data.x);
    const double alone =
        (*losses::SparseCategoricalCrossentropy({.from_logits = true}))(data.y, logits);
    const double evaluated =
        model->evaluate(data.x, data.y, {.batch_size = rows, .verbose = Verbose::kSilent})
            .at("loss");
    EXPECT_NEAR(evaluated, alone + expected, 1e-5 * (1 + expected));
    EXPECT_NEAR(model->train_on_batch(data.x, data.y).at("loss"), alone + expected,
                1e-5 * (1 + expected));
  }
}

TEST(Regularizers, OfActivitiesAreEvaluatedAsInPredictionAndFollowTheWeights) {
  Random random;
  const Spokes data(random, 24);
  set_random_seed(2);
  auto x = layers::Input({.shape = {4}});
  auto y = layers::Dense({.units = 6, .activity_regularizer = L2{0.1}})(x);
  y = layers::BatchNormalization({.momentum = 0.5})(y);
  y = layers::Dropout({.rate = 0.5})(y);
  const LayerRef head = layers::Dense({.units = 3});
  head->set_activity_regularizer(L1{0.2});
  const ModelPtr model = Functional::create(x, head(y));
  compile(model, optimizers::SGD({.learning_rate = 0.1}));
  const LossPtr loss = losses::SparseCategoricalCrossentropy({.from_logits = true});
  double before = 0;
  for (int i = 0; i < 3; ++i) {
    const Tensor logits = model->predict(data.x);
    const Tensor hidden = Functional::create(x, model->layers()[1]->apply({x})[0])->predict(data.x);
    const double expected = (*loss)(data.y, logits) + penalty_of(hidden, 0, 0.1) / 24 +
                            penalty_of(logits, static_cast<double>(0.2F), 0) / 24;
    const double evaluated =
        model->evaluate(data.x, data.y, {.batch_size = 24, .verbose = Verbose::kSilent}).at("loss");
    EXPECT_NEAR(evaluated, expected, 1e-5 * (1 + expected)) << i;
    EXPECT_NE(evaluated, before);
    before = evaluated;
    (void)model->train_on_batch(data.x, data.y);
  }
}

TEST(Regularizers, OfActivitiesThatComeAfterTrainingBeganCountOnceCompiledAgain) {
  Random random;
  const Spokes data(random, 20);
  const ModelPtr model = dense_model(random.integer(1, 1000));
  const auto begin = [&] { compile(model, optimizers::SGD({.learning_rate = 0.0})); };
  const auto evaluated = [&] {
    return model->evaluate(data.x, data.y, {.batch_size = 20, .verbose = Verbose::kSilent})
        .at("loss");
  };
  const auto trained = [&] { return model->train_on_batch(data.x, data.y).at("loss"); };
  begin();
  const double in_training = trained(), in_evaluation = evaluated();
  model->get_layer("body")->set_activity_regularizer(L2{0.5});
  EXPECT_EQ(trained(), in_training);
  EXPECT_EQ(evaluated(), in_evaluation);
  begin();
  EXPECT_GT(trained(), in_training);
  EXPECT_NEAR(evaluated(), trained(), 1e-5 * (1 + trained()));
}

TEST(Regularizers, OfFrozenLayersAddNothing) {
  Random random;
  const Spokes data(random, 30);
  const layers::DenseOptions body{.kernel_regularizer = L2{0.5}, .bias_regularizer = L1{0.5}};
  const ModelPtr plain = dense_model(5), frozen = dense_model(5, body);
  for (const ModelPtr& model : {plain, frozen}) {
    model->get_layer("body")->set_trainable(false);
    compile(model, optimizers::SGD());
  }
  for (int step = 0; step < 3; ++step) {
    EXPECT_EQ(plain->train_on_batch(data.x, data.y), frozen->train_on_batch(data.x, data.y));
  }
  EXPECT_EQ(plain->evaluate(data.x, data.y, kSilent), frozen->evaluate(data.x, data.y, kSilent));
  expect_same_bits(*plain, *frozen);

  // Keras asks again at each evaluation which layers are trained.
  frozen->get_layer("body")->set_trainable(true);
  EXPECT_GT(frozen->evaluate(data.x, data.y, kSilent).at("loss"),
            plain->evaluate(data.x, data.y, kSilent).at("loss") + 0.1);
}

/// A model with weights that nothing in its output depends on.
class WithUnused final : public SubclassedModel {
 public:
  WithUnused() {
    used_ = track("used", layers::Dense({.units = 3}));
    unused_ = track("unused", layers::Dense({.units = 2, .kernel_regularizer = L2{0.5}}));
  }
  [[nodiscard]] std::string class_name() const override { return "WithUnused"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    (void)unused_->apply(inputs);
    return used_->apply(inputs);
  }
  LayerPtr used_, unused_;
};

TEST(Regularizers, MoveWeightsThatNothingDependsOn) {
  Random random;
  const Spokes data(random, 10);
  const auto model = std::make_shared<WithUnused>();
  model->build({{kNone, 4}});
  compile(model, optimizers::SGD({.learning_rate = 0.1}));
  const VariablePtr kernel = model->unused_->own_variables()[0];
  for (int step = 0; step < 3; ++step) {
    const Tensor before = kernel->value().clone();
    (void)model->train_on_batch(data.x, data.y);
    for (std::size_t i = 0; i < static_cast<std::size_t>(before.size()); ++i) {
      // w - 0.1 * 2 * 0.5 * w, however many steps there were before.
      EXPECT_NEAR(kernel->value().data<float>()[i], 0.9F * before.data<float>()[i], 1e-6);
    }
  }
}

TEST(Regularizers, ScaleWithTheLoss) {
  Random random;
  const Spokes data(random, 30);
  const layers::DenseOptions body{.kernel_regularizer = L1L2{0.1, 0.2},
                                  .activity_regularizer = L2{0.1}};
  const ModelPtr plain = dense_model(5, body), scaled = dense_model(5, body);
  compile(plain, optimizers::SGD({.learning_rate = 0.1}));
  compile(scaled, optimizers::SGD({.learning_rate = 0.1, .loss_scale_factor = 1024.0}));
  for (int step = 0; step < 4; ++step) {
    // Powers of two: exact.
    EXPECT_EQ(plain->train_on_batch(data.x, data.y), scaled->train_on_batch(data.x, data.y));
  }
  expect_same_bits(plain->variables(), scaled->variables());
}

TEST(Regularizers, AccumulateWithTheGradients) {
  Random random;
  const Spokes data(random, 30);
  const layers::DenseOptions body{.kernel_regularizer = L2{0.3}};
  const ModelPtr once = dense_model(5, body), twice = dense_model(5, body);
  compile(once, optimizers::SGD({.learning_rate = 0.1}));
  compile(twice, optimizers::SGD({.learning_rate = 0.1, .gradient_accumulation_steps = 2}));
  for (int step = 0; step < 3; ++step) {
    (void)once->train_on_batch(data.x, data.y);
    (void)twice->train_on_batch(data.x, data.y);
    (void)twice->train_on_batch(data.x, data.y);  // the mean of two equal gradients
  }
  expect_same_bits(once->variables(), twice->variables());
}

TEST(Regularizers, WorkInMixedPrecisionOnTheWeightsAsTheyAreStored) {
  Random random;
  const Spokes data(random, 30);
  const layers::DenseOptions body{.kernel_regularizer = L2{0.25}};
  set_dtype_policy("mixed_float16");
  const ModelPtr plain = dense_model(5), with = dense_model(5, body);
  set_dtype_policy("float32");
  for (const ModelPtr& model : {plain, with}) {
    compile(model, optimizers::SGD({.learning_rate = 0.1}));
    ASSERT_EQ(model->optimizer()->class_name(), "LossScaleOptimizer");
  }
  const Tensor before = value_of(with, "body", 0);
  const double expected = penalty_of(before, 0, 0.25);
  const double alone = plain->train_on_batch(data.x, data.y).at("loss");
  EXPECT_NEAR(with->train_on_batch(data.x, data.y).at("loss"), alone + expected, 1e-5);
  // A step of 0.1 along 2 * 0.25 * w beside the same step along the loss; float32 throughout.
  const Tensor a = value_of(plain, "body", 0), b = value_of(with, "body", 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.size()); ++i) {
    EXPECT_NEAR(b.data<float>()[i], a.data<float>()[i] - 0.05F * before.data<float>()[i], 2e-7);
  }
}

TEST(Regularizers, GiveALoopByHandTheStepsOfTrainOnBatch) {
  Random random;
  const Spokes data(random, 30);
  const layers::DenseOptions body{.kernel_regularizer = L1L2{0.1, 0.2},
                                  .activity_regularizer = L1{0.1}};
  const layers::DenseOptions head{.kernel_constraint = constraints::MaxNorm{.max_value = 0.7}};
  const ModelPtr compiled = dense_model(5, body, head), by_hand = dense_model(5, body, head);
  const auto adam = [] { return optimizers::Adam({.loss_scale_factor = 8.0}); };
  compile(compiled, adam());
  const LossPtr loss = losses::SparseCategoricalCrossentropy({.from_logits = true});
  const OptimizerPtr optimizer = adam();
  GradientTape tape(*by_hand);
  EXPECT_THAT(message_of([&] { (void)tape.penalty(); }), HasSubstr("`forward` first"));
  optimizer->build(tape.variables());
  for (int step = 0; step < 4; ++step) {
    const double expected = compiled->train_on_batch(data.x, data.y).at("loss");
    const Tensor& predicted = tape.forward({data.x})[0];
    const double scale = optimizer->loss_scale();
    const LossResult result = loss->value_and_gradient(data.y, predicted, {}, scale);
    const double penalty = tape.penalty();
    EXPECT_DOUBLE_EQ(result.value + penalty, expected);
    optimizer->apply(tape.gradients({result.gradient}, scale));
    EXPECT_EQ(tape.penalty(), penalty) << "it is that of the forward";
  }
  expect_same_bits(compiled->variables(), by_hand->variables());
}

TEST(Regularizers, LeaveARunThatGoesOnItsBits) {
  Random random;
  const Spokes data(random, 60);
  const auto compiled = [](std::uint64_t seed) {
    const ModelPtr model =
        dense_model(seed,
                    {.kernel_regularizer = L1L2{0.01, 0.02},
                     .activity_regularizer = L2{0.01},
                     .kernel_constraint = constraints::MinMaxNorm{.min_value = 0.5, .rate = 0.5}},
                    {.kernel_regularizer = L2{0.01}, .kernel_constraint = "unit_norm"});
    compile(model, optimizers::Adam({.learning_rate = 0.01, .gradient_accumulation_steps = 2}));
    return model;
  };
  const auto fit = [&](const ModelPtr& model, std::int64_t crash, const Scratch& scratch) {
    return model->fit(data.x, data.y,
                      {.batch_size = 9,
                       .epochs = 3,
                       .verbose = Verbose::kSilent,
                       .callbacks = {std::make_shared<Crash>(crash),
                                     callbacks::BackupAndRestore(
                                         {.backup_dir = scratch / "backup", .save_freq = 1})},
                       .validation_split = 0.2,
                       .seed = 5});
  };
  const Scratch scratch;
  const ModelPtr undisturbed = compiled(1), resumed = compiled(2);
  const History whole = fit(undisturbed, 1000, scratch);
  EXPECT_EQ(message_of([&] { (void)fit(compiled(1), random.integer(1, 16), scratch); }), "crash");
  const History rest = fit(resumed, 1000, scratch);
  expect_same_bits(*undisturbed, *resumed);
  EXPECT_EQ(rest.history.at("loss").back(), whole.history.at("loss").back());
  EXPECT_EQ(rest.history.at("val_loss").back(), whole.history.at("val_loss").back());
}

TEST(Regularizers, OfActivitiesTakeValidationDataAsPredictionDoes) {
  Random random;
  const Tensor x = random.tensor({12, 5}), y = random.tensor({12, 1});
  set_random_seed(1);
  auto input = layers::Input({.shape = {5, 1}});
  const ModelPtr model = Functional::create(
      input,
      layers::Dense({.units = 1, .activity_regularizer = L2{0.1}})(layers::Flatten()(input)));
  model->compile({.optimizer = "sgd", .loss = "mse"});
  const DataSet without_the_last_axis(x, y);
  const History history = model->fit(
      x, y,
      {.batch_size = 12, .verbose = Verbose::kSilent, .validation_data = without_the_last_axis});
  EXPECT_NEAR(history.history.at("val_loss").back(),
              model->evaluate(x, y, {.batch_size = 12, .verbose = Verbose::kSilent}).at("loss"),
              1e-6);
}

}  // namespace
}  // namespace lamina
