// What training computes on the host, with zeros in the place of denormal numbers.
#include <lamina/gradient_tape.h>

#include <limits>

#include "tests/flushing.h"
#include "tests/training/device/device_scene.h"
#include "tests/training/fit_helpers.h"

namespace lamina {
namespace {

using namespace test;
using ::lamina::testing::kThreadsOfThePool;
using ::lamina::testing::on_a_new_thread;
using ::lamina::testing::pool_flushes;

constexpr float kSmallest = std::numeric_limits<float>::min();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
const std::vector<bool> kNone(kThreadsOfThePool, false);

Tensor filled_with(float value, Shape shape) {
  Tensor out = Tensor::empty(std::move(shape));
  for (float& x : out.data<float>()) x = value;
  return out;
}

float first(const Tensor& tensor) {
  return tensor.data<float>()[0];
}

class DenormalsInTraining : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(__x86_64__)
    GTEST_SKIP() << "nothing is flushed here";
#endif
  }
};

TEST_F(DenormalsInTraining, LeaveMomentaThatDecayOnEveryThread) {
  for (const std::int64_t size : {50, 200000}) {  // for one thread, and for several
    on_a_new_thread([&] {
      const auto w = std::make_shared<Variable>("kernel", filled_with(1, {size}));
      const auto sgd = optimizers::SGD({.learning_rate = 0.5, .momentum = 0.5});
      sgd->build({w});
      const VariablePtr momentum = sgd->variables().back();
      ASSERT_EQ(momentum->shape(), Shape({size}));
      momentum->assign(filled_with(kSmallest, {size}));
      sgd->apply({Tensor::zeros({size})});
      for (const float x : std::as_const(*momentum).value().data<float>()) ASSERT_EQ(x, 0);
      EXPECT_EQ(pool_flushes(), kNone);
    });
  }
}

TEST_F(DenormalsInTraining, AreNoLossAndNoGradient) {
  const Tensor y = Tensor::zeros({20000, 4}), p = filled_with(1e-20F, {20000, 4});
  on_a_new_thread([&] {
    const LossResult result = losses::MeanSquaredError()->value_and_gradient(y, p, {}, 1e-19);
    EXPECT_EQ(result.value, 0);
    for (const float x : result.gradient.data<float>()) ASSERT_EQ(x, 0);
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST_F(DenormalsInTraining, LeaveMovingAveragesOfWhatIsDead) {
  const auto x = layers::Input({.shape = {3}});
  const auto model = Functional::create(x, layers::BatchNormalization({.momentum = 0.5})(x));
  const VariablePtr mean = model->variables().at(2);
  mean->assign(filled_with(kSmallest, {3}));
  GradientTape tape(*model);
  (void)tape.forward({Tensor::zeros({5, 3})});
  for (const float average : mean->value().data<float>()) EXPECT_EQ(average, 0);
}

TEST_F(DenormalsInTraining, AreSeenByCallbacksAsTheUserHasThem) {
  class Watch : public Callback {
   public:
    void on_train_batch_end(FitRun&, std::int64_t, const Logs&) override {
      seen.push_back(pool_flushes() == kNone);
      volatile float small = kSmallest;
      seen.push_back(small * 0.5F > 0);
    }
    std::vector<bool> seen;
  };
  Random random;
  const Spokes data(random);
  on_a_new_thread([&] {
    const ModelPtr model = classifier();
    model->compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
    const auto watch = std::make_shared<Watch>();
    (void)model->fit(data.x, data.y,
                     {.batch_size = 60, .verbose = Verbose::kSilent, .callbacks = {watch}});
    EXPECT_EQ(watch->seen, std::vector<bool>(4, true));
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

// There oneDNN has one thread, and gradients of kernels were made for several, which wait for each
// other.
TEST(GradientsWithinARegionOfTheUsers, AreTheSame) {
  Random random;
  const Tensor x = random.tensor({8, 32, 32, 8}), slopes = random.tensor({8, 28, 28, 48});
  on_a_new_thread([&] {
    auto y = layers::Input({.shape = {32, 32, 8}});
    const auto in = y;
    y = layers::Conv2D({.filters = 32, .kernel_size = 3})(y);
    const auto model = Functional::create(in, layers::Conv2D({.filters = 48, .kernel_size = 3})(y));
    GradientTape tape(*model);
    (void)tape.forward({x});
    std::vector<Tensor> wanted;
    for (const Tensor& each : tape.gradients({slopes})) wanted.push_back(each.clone());
    std::vector<Tensor> got;
#pragma omp parallel num_threads(2)
#pragma omp single
    {
      (void)tape.forward({x});
      got = tape.gradients({slopes});
    }
    ASSERT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      expect_near(got[i], wanted[i], 1e-4, std::to_string(i));
    }
    EXPECT_EQ(pool_flushes(), kNone);
  });
}

TEST(DenormalWeights, ComeBackToTheBit) {
  Random random;
  const Scratch folder;
  const auto model = [] {
    return Sequential::create(
        {layers::InputLayer({.shape = Shape{3}}), layers::Dense({.units = 2})});
  };
  const auto saved = model(), loaded = model();
  Tensor kernel = Tensor::empty({3, 2});
  for (float& x : kernel.data<float>()) {
    x = kDenormal * static_cast<float>(random.integer(1, (1 << 23) - 1));
  }
  ASSERT_LT(first(kernel), kSmallest);
  saved->variables()[0]->assign(kernel.clone());
  (void)saved->predict(filled_with(1, {4, 3}));  // packs them
  saved->save_weights(folder / "m.weights.h5");
  loaded->load_weights(folder / "m.weights.h5");
  EXPECT_TRUE(bitwise_equal(loaded->variables()[0]->value(), kernel));
  EXPECT_TRUE(bitwise_equal(saved->variables()[0]->value(), kernel));
}

}  // namespace
}  // namespace lamina
