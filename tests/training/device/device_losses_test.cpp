// The gradients of losses where the predictions are on a device, and what a training step waits
// for: a fake device that works late and in random order between streams.
#include <gmock/gmock.h>

#include "tests/fakes/fake_gpu.h"
#include "tests/flushing.h"
#include "tests/training/device/loss_scene.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::FakeGpu;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Device kGpu = Device::cuda(0);

/// As a user would write it; twice what Keras's is.
class OwnSquaredError : public Loss {
 public:
  OwnSquaredError() : Loss("own") {}

 protected:
  float row(std::span<const float> y_true, std::span<const float> y_pred,
            std::span<float> gradient) const override {
    const auto size = static_cast<float>(y_pred.size());
    float sum = 0;
    for (std::size_t i = 0; i < y_pred.size(); ++i) {
      const float error = y_pred[i] - y_true[i];
      sum += 2.0F * error * error;
      if (!gradient.empty()) gradient[i] = 4.0F * error / size;
    }
    return sum / size;
  }
};

LossPtr own_loss() {
  return std::make_shared<OwnSquaredError>();
}

/// What each wait of the host in a step, once all is recorded, comes behind: 0 before forward was
/// given to the device, 1 behind that, 2 behind backward.
std::vector<std::size_t> waits_of_a_step(const FakeGpu& gpu, Model& model, const Tensor& x,
                                         const Tensor& y) {
  for (int i = 0; i < 4; ++i) (void)model.train_on_batch(x, y);
  const std::size_t waits = gpu->plays_at_waits().size(), plays = gpu->plays();
  (void)model.train_on_batch(x, y);
  std::vector<std::size_t> out;
  for (const std::size_t at : gpu->plays_at_waits()) out.push_back(at - plays);
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(waits));
  return out;
}

/// What is made while it lives treats denormal numbers as the CPU backend does: a device's threads,
/// which are the host's here.
class Flushing {
 public:
  Flushing() { lamina::testing::set_flushing(true); }
  ~Flushing() { lamina::testing::set_flushing(false); }
  Flushing(const Flushing&) = delete;
  Flushing& operator=(const Flushing&) = delete;
};

TEST(DeviceLosses, GiveTheBitsOfTheHost) {
  const Flushing flushing;
  Random random;
  const FakeGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
  for_losses_on(kGpu, random, [](const Tensor& got, const Tensor& wanted, const std::string& what) {
    EXPECT_TRUE(bitwise_equal(got, wanted)) << what;
  });
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceLosses, OfRowsThatAreAllIgnoredOrWeighNothingAreZeros) {
  Random random;
  const FakeGpu gpu;
  training::DeviceLosses losses(kGpu);
  const Tensor p = random.tensor({3, 4}), y = random.tensor({3, 4}), zeros = Tensor::zeros({3, 4});
  const Tensor none = Tensor::from<std::int64_t>({-1, -1, -1}, {3});
  EXPECT_TRUE(bitwise_equal(
      device_gradient(losses,
                      {"", losses::SparseCategoricalCrossentropy({.ignore_class = -1}), none, p},
                      {}, 1),
      zeros));
  EXPECT_TRUE(bitwise_equal(
      device_gradient(
          losses,
          {"", losses::MeanSquaredError({.reduction = Reduction::kMeanWithSampleWeight}), zeros, p},
          Tensor::zeros({3}), 1),
      zeros));
  for (const LossPtr& loss : {losses::MeanSquaredError(), losses::CosineSimilarity()}) {
    const Tensor none_of_all = Tensor::zeros({3}, DType::kBool);
    EXPECT_TRUE(
        bitwise_equal(device_gradient(losses, {"", loss, y, p, none_of_all}, {}, 1), zeros));
  }
  Tensor unknown = p.clone();
  unknown.data<float>()[5] = std::nanf("");
  for (const Reduction reduction :
       {Reduction::kSumOverBatchSize, Reduction::kSum, Reduction::kMeanWithSampleWeight}) {
    const LossCase one_row{"", losses::Dice({.reduction = reduction}), y, unknown,
                           Tensor::zeros({3}, DType::kBool)};
    EXPECT_TRUE(bitwise_equal(device_gradient(losses, one_row, {}, 1), zeros));
  }
}

TEST(DeviceLosses, AreThoseOfKerasAlone) {
  EXPECT_TRUE(training::DeviceLosses::computes(*losses::get("mse"), DType::kFloat16));
  EXPECT_FALSE(training::DeviceLosses::computes(*losses::get("mse"), DType::kInt32));
  EXPECT_FALSE(training::DeviceLosses::computes(OwnSquaredError(), DType::kFloat32));
  EXPECT_FALSE(training::DeviceLosses::computes(*losses::Circle(), DType::kFloat32))
      << "the host's: its rows depend on one another";
  EXPECT_FALSE(training::DeviceLosses::computes(*losses::CTC(), DType::kFloat32))
      << "the host's: it goes through its rows step by step";
}

// The outputs, while backward goes on; and whether the weights are finite.
TEST(DeviceLosses, LetAStepWaitTwiceAndNotBetweenForwardAndBackward) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const Tensor x = random.tensor({5, 8, 8, 3}), y = random.classes({5}, 3);
  {
    const ModelPtr model = convnet(6);  // with dropout, penalties and constraints
    compile(model, optimizers::Adam());
    model->to(kGpu);
    EXPECT_THAT(waits_of_a_step(gpu, *model, x, y), ElementsAre(2, 2));
  }
  {
    const ModelPtr model = convnet(6, "mixed_float16");
    compile(model, optimizers::LossScaleOptimizer(
                       {.inner_optimizer = optimizers::SGD(), .initial_scale = 8}));
    model->to(kGpu);
    EXPECT_THAT(waits_of_a_step(gpu, *model, x, y), ElementsAre(2, 2, 2))
        << "and whether the gradients are finite";
  }
  {
    const ModelPtr model = convnet(6);
    compile(model, optimizers::SGD({.clipnorm = 1e-3}));
    model->to(kGpu);
    EXPECT_THAT(waits_of_a_step(gpu, *model, x, y), ElementsAre(2, 2, 2, 2))
        << "and for the norms of gradients, and for what they are clipped by to be there";
  }
  const ModelPtr model = convnet(6);
  model->compile({.optimizer = optimizers::SGD(), .loss = own_loss()});
  model->to(kGpu);
  EXPECT_THAT(waits_of_a_step(gpu, *model, x, random.tensor({5, 3})), ElementsAre(1, 1, 2))
      << "a loss that the device does not know";
}

/// Of sequences, whose steps of zeros are masked.
ModelPtr tagger(const LossPtr& loss, std::uint64_t seed) {
  set_random_seed(seed);
  const auto x = layers::Input({.shape = {5, 2}});
  const auto steps = layers::Dense({.units = 4, .activation = "tanh"})(layers::Masking()(x));
  const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(steps));
  model->compile(
      {.optimizer = optimizers::SGD({.learning_rate = 0.1}), .loss = loss, .metrics = {"mse"}});
  return model;
}

/// The last steps of each are 0.
Tensor sequences(Random& random, std::int64_t rows) {
  Tensor x = random.tensor({rows, 5, 2}, 0.1, 1);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto length = static_cast<std::size_t>(2 * random.integer(1, 5));
    const std::span<float> mine = x.data<float>().subspan(static_cast<std::size_t>(row) * 10, 10);
    std::fill(mine.begin() + static_cast<std::ptrdiff_t>(length), mine.end(), 0.0F);
  }
  return x;
}

TEST(DeviceLosses, OfOutputsWithMasksAreOfWhatIsNotMasked) {
  Random random;
  const FakeGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
  for (const Reduction reduction :
       {Reduction::kSumOverBatchSize, Reduction::kSum, Reduction::kMeanWithSampleWeight}) {
    const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
    const LossPtr loss = losses::MeanSquaredError({.reduction = reduction});
    const ModelPtr here = tagger(loss, seed), there = tagger(loss, seed);
    there->to(kGpu);
    for (int step = 0; step < 4; ++step) {
      const Tensor x = sequences(random, 6), y = random.tensor({6, 5, 3});
      const Tensor weights = step % 2 == 0 ? Tensor() : random.tensor({6, 5}, 0.1, 2);
      const Logs cpu = here->train_on_batch(x, y, weights),
                 device = there->train_on_batch(x, y, weights);
      for (const auto& [name, value] : cpu) {
        EXPECT_NEAR(device.at(name), value, 1e-5 * (1 + value)) << name;
      }
    }
    expect_near(there->variables(), here->variables(), 1e-4);
    const Tensor x = sequences(random, 6), y = random.tensor({6, 5, 3});
    EXPECT_THAT(waits_of_a_step(gpu, *there, x, y), ElementsAre(2, 2));
  }
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

// One row, and what the mask leaves of its weights the device alone knows.
TEST(DeviceLosses, OfAllOfABatchHeedTheMasksOfOutputs) {
  Random random;
  const FakeGpu gpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
  for (const Reduction reduction :
       {Reduction::kSumOverBatchSize, Reduction::kSum, Reduction::kMeanWithSampleWeight}) {
    const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
    const LossPtr loss = losses::Dice({.reduction = reduction});
    const ModelPtr here = tagger(loss, seed), there = tagger(loss, seed);
    there->to(kGpu);
    for (int step = 0; step < 4; ++step) {
      const Tensor x = sequences(random, 6), y = random.tensor({6, 5, 3}, 2, 3);
      const Tensor weights = step % 2 == 0 ? Tensor() : random.tensor({6, 5}, 0.1, 2);
      const Logs cpu = here->train_on_batch(x, y, weights),
                 device = there->train_on_batch(x, y, weights);
      for (const auto& [name, value] : cpu) {
        EXPECT_NEAR(device.at(name), value, 1e-5 * (1 + std::fabs(value))) << name;
      }
    }
    expect_near(there->variables(), here->variables(), 1e-4);
  }
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceLosses, OfRowsThatDependOnOneAnotherAreTheHosts) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const auto embedder = [](std::uint64_t seed) {
    set_random_seed(seed);
    const auto x = layers::Input({.shape = {6}});
    const ModelPtr model =
        Functional::create(x, layers::UnitNormalization()(layers::Dense({.units = 4})(x)));
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.05}),
                    .loss = losses::Circle({.gamma = 4})});
    return model;
  };
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const ModelPtr here = embedder(seed), there = embedder(seed);
  there->to(kGpu);
  for (int step = 0; step < 3; ++step) {
    const Tensor x = random.tensor({8, 6}), y = random.classes({8}, 3);
    const double cpu = here->train_on_batch(x, y).at("loss");
    EXPECT_NEAR(there->train_on_batch(x, y).at("loss"), cpu, 1e-4 * (1 + cpu));
  }
  expect_near(there->variables(), here->variables(), 1e-3);
}

TEST(DeviceLosses, OfSequencesOfLabelsAreTheHosts) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const auto reader = [](std::uint64_t seed) {
    set_random_seed(seed);
    const auto x = layers::Input({.shape = {6, 2}});
    const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(x));
    model->compile(
        {.optimizer = optimizers::SGD({.learning_rate = 0.05}), .loss = losses::get("ctc")});
    return model;
  };
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const ModelPtr here = reader(seed), there = reader(seed);
  there->to(kGpu);
  for (int step = 0; step < 3; ++step) {
    const Tensor x = random.tensor({4, 6, 2}), y = random.classes({4, 2}, 3);
    const double cpu = here->train_on_batch(x, y).at("loss");
    EXPECT_NEAR(there->train_on_batch(x, y).at("loss"), cpu, 1e-4 * (1 + cpu));
  }
  expect_near(there->variables(), here->variables(), 1e-3);
}

TEST(DeviceLosses, RefuseMasksThatSayNothingOfTheirRowsAsOnTheCpu) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  training::BatchLabels labels;
  const LossPtr loss = losses::MeanSquaredError();
  const Tensor y = random.tensor({4, 5, 3}), mask = Tensor::zeros({4}, DType::kBool);
  const std::string message =
      message_of([&] { labels.add(*loss, y, {}, y.shape(), mask.shape()); });
  EXPECT_THAT(message, HasSubstr("the mask of shape (4,) does not fit losses of shape (4, 5)"));
  EXPECT_EQ(message, message_of([&] { (void)(*loss)(y, y, {}, mask); }));
}

TEST(DeviceLosses, OfUsersTrainOnTheDeviceAsOnTheCpu) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
  const ModelPtr here = convnet(seed), there = convnet(seed);
  for (const ModelPtr& model : {here, there}) {
    model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.05}), .loss = own_loss()});
  }
  there->to(kGpu);
  for (int step = 0; step < 3; ++step) {
    const Tensor x = random.tensor({5, 8, 8, 3}), y = random.tensor({5, 3});
    const double cpu = here->train_on_batch(x, y).at("loss");
    EXPECT_NEAR(there->train_on_batch(x, y).at("loss"), cpu, 1e-4 * (1 + cpu));
  }
  expect_near(there->variables(), here->variables(), 2e-3);
}

/// Two outputs of different shapes.
ModelPtr two_outputs(const LossPtr& first, const LossPtr& second) {
  set_random_seed(3);
  const auto x = layers::Input({.shape = {4}});
  const auto h = layers::Dense({.units = 5, .activation = "tanh"})(x);
  const ModelPtr model =
      Functional::create({x}, {layers::Dense({.units = 3})(h), layers::Dense({.units = 1})(h)});
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.1}),
                  .loss = {first, second},
                  .loss_weights = {0.3, 2.0}});
  return model;
}

TEST(DeviceLosses, OfSeveralOutputsHaveTheirWeightsAndThoseOfSamples) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const LossPtr sparse = losses::SparseCategoricalCrossentropy({.from_logits = true});
  for (const LossPtr& second : {losses::Huber(), own_loss()}) {
    const ModelPtr here = two_outputs(sparse, second), there = two_outputs(sparse, second);
    there->to(kGpu);
    for (int step = 0; step < 3; ++step) {
      const std::vector<Tensor> x = {random.tensor({6, 4})},
                                y = {random.classes({6}, 3), random.tensor({6, 1})};
      const Tensor weights = random.tensor({6}, 0, 2);
      const double cpu = here->train_on_batch(x, y, weights).at("loss");
      EXPECT_NEAR(there->train_on_batch(x, y, weights).at("loss"), cpu, 1e-5 * (1 + cpu));
    }
    expect_near(there->variables(), here->variables(), 1e-4);
  }
}

TEST(DeviceLosses, RefuseLabelsAsOnTheCpuAndBeforeTheDeviceIsGivenAnything) {
  Random random;
  const FakeGpu gpu({}, {2, 1 << 16});
  const ModelPtr here = convnet(2), there = convnet(2);
  for (const ModelPtr& model : {here, there}) compile(model, optimizers::SGD());
  there->to(kGpu);
  const Tensor x = random.tensor({5, 8, 8, 3});
  Tensor y = random.classes({5}, 3);
  (void)there->train_on_batch(x, y);
  y.data<std::int64_t>()[2] = 3;
  const std::vector<Tensor> before = values_of(there->variables());
  const std::size_t calls = gpu->calls();
  const std::string message = message_of([&] { (void)there->train_on_batch(x, y); });
  EXPECT_EQ(gpu->calls(), calls);
  EXPECT_EQ(message, message_of([&] { (void)here->train_on_batch(x, y); }));
  EXPECT_THAT(message, HasSubstr("the label 3 of sample 2 of the batch is out of range"));
  EXPECT_THAT(message_of([&] {
                (void)there->train_on_batch(x, random.classes({5, 2}, 3));
              }),
              HasSubstr("does not fit `y_pred` of shape"));
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(bitwise_equal(there->variables()[i]->value(), before[i])) << i;
  }
}

}  // namespace
}  // namespace lamina
