// Batches that go to a device ahead of their turn in evaluation and prediction, and in training
// where their shapes change: on the double that reports copies that nothing orders.
#include <gmock/gmock.h>

#include <optional>

#include "tests/fakes/fake_gpu.h"
#include "tests/training/device/device_scene.h"
#include "tests/training/fit/loaders.h"
#include "training/fit/evaluation.h"
#include "training/fit/feed.h"
#include "training/fit/trainer.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::FakeGpu;
using lamina::testing::FakeRuntime;

constexpr Device kGpu = Device::cuda(0);

FakeGpu fake_gpu(Random& random) {
  return FakeGpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
}

enum class Way {
  kPlan,     // evaluation is prediction
  kPenalty,  // activities add to the loss
  kMask,     // outputs have masks
};

/// Of sequences of any length.
ModelPtr model_of(Way way, std::uint64_t seed) {
  set_random_seed(seed);
  auto x = layers::Input({.shape = {kNone, 4}});
  auto y = way == Way::kMask ? layers::Masking({.mask_value = 7})(x) : x;
  layers::DenseOptions dense{.units = 6, .activation = "tanh"};
  if (way == Way::kPenalty) dense.activity_regularizer = regularizers::L2{0.1};
  y = layers::Dense(dense)(y);
  const ModelPtr model = Functional::create(x, layers::Dense({.units = 3})(y));
  compile(model, optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9}));
  return model;
}

training::Trainer trainer_of(Model& model) {
  training::Trainer trainer(model,
                            {.optimizer = model.optimizer(),
                             .loss = losses::SparseCategoricalCrossentropy({.from_logits = true}),
                             .metrics = {"accuracy"}});
  trainer.set_seed(3);
  return trainer;
}

/// Batches of given lengths, as a loader gives them.
class Sequences : public DataLoader {
 public:
  Sequences(Random& random, const std::vector<Shape>& shapes) {
    for (const Shape& shape : shapes) {
      sets.push_back({{random.tensor({shape[0], shape[1], 4})}, {random.classes(shape, 3)}, {}});
    }
  }
  std::int64_t batches() const override { return static_cast<std::int64_t>(sets.size()); }
  DataSet batch(std::int64_t, std::int64_t index, std::uint64_t) override {
    return sets.at(static_cast<std::size_t>(index));
  }
  std::vector<DataSet> sets;
};

/// Three shapes, which are met again and again.
std::vector<Shape> buckets(std::size_t count) {
  std::vector<Shape> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(std::vector<Shape>{{5, 3}, {5, 8}, {2, 3}}[i * i % 3 + i / 4 % 2]);
  }
  return out;
}

class DevicePassesAhead : public ::testing::TestWithParam<Way> {};

INSTANTIATE_TEST_SUITE_P(Each, DevicePassesAhead,
                         ::testing::Values(Way::kPlan, Way::kPenalty, Way::kMask),
                         [](const auto& info) {
                           return info.param == Way::kPlan      ? "Plan"
                                  : info.param == Way::kPenalty ? "Penalty"
                                                                : "Mask";
                         });

TEST_P(DevicePassesAhead, EvaluationGivesTheBitsOfBatchesOneByOne) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  {
    const ModelPtr model = model_of(GetParam(), 3);
    const auto loader = std::make_shared<Sequences>(random, buckets(11));
    model->to(kGpu);
    const Logs got = model->evaluate(loader, {.verbose = Verbose::kSilent});
    const Logs again = model->evaluate(loader, {.verbose = Verbose::kSilent});
    training::Trainer trainer = trainer_of(*model);
    for (const DataSet& set : loader->sets) {
      const training::Data data(set, "the batch");
      trainer.test(data.slice(0, data.rows()));
    }
    EXPECT_EQ(got, trainer.logs());
    EXPECT_EQ(again, got);

    const Tensor x = random.tensor({13, 5, 4}), y = random.classes({13, 5}, 3);
    const Logs of_arrays = model->evaluate(x, y, {.batch_size = 4, .verbose = Verbose::kSilent});
    trainer.reset_metrics();
    const training::Data data({{x}, {y}, {}}, "the data");
    for (std::int64_t first = 0; first < 13; first += 4) {
      trainer.test(data.slice(first, std::min<std::int64_t>(4, 13 - first)));
    }
    EXPECT_EQ(of_arrays, trainer.logs());
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST_P(DevicePassesAhead, EvaluationWaitsForTheOutputsOfABatchAndNeedsNoMoreMemory) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = model_of(GetParam(), 3);
  model->to(kGpu);
  training::Trainer trainer = trainer_of(*model);
  const auto feed = training::array_feed(
      {{{random.tensor({30, 5, 4})}, {random.classes({30, 5}, 3)}, {}}, "the data"}, 5, false);
  std::size_t made = 0, used = 0, pinned = 0;
  for (int pass = 0; pass < 3; ++pass) {
    feed->begin(0, 0, 0, 6);
    for (int i = 0; i < 6; ++i) {
      const training::Batch batch = feed->next();
      EXPECT_EQ(batch.sent != nullptr, i > 0) << i;
      const std::size_t waits = gpu->plays_at_waits().size();
      trainer.test(batch, [&] { return feed->ahead(); });
      if (pass == 2 && i > 0) {
        EXPECT_EQ(gpu->plays_at_waits().size() - waits, 1U) << i;
      }
    }
    feed->end();
    if (pass == 1) made = gpu->made(), used = gpu->used(), pinned = gpu->peak_pinned();
  }
  EXPECT_EQ(gpu->made(), made);
  EXPECT_EQ(gpu->used(), used);
  EXPECT_EQ(gpu->peak_pinned(), pinned);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DevicePassesAhead, PredictionGivesTheBitsOfBatchesOneByOne) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  {
    const ModelPtr model = model_of(Way::kPlan, 3);
    model->to(kGpu);
    for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
      const Tensor x = random.tensor({13, 5, 4}).cast(dtype);
      std::vector<Tensor> wanted;
      const training::Data data({std::vector<Tensor>{x}, {}, {}}, "the data");
      for (std::int64_t first = 0; first < 13; first += 4) {
        const std::int64_t count = std::min<std::int64_t>(4, 13 - first);
        wanted.push_back(model->predict_on_batch(data.slice(first, count).x[0]));
      }
      for (const Tensor& given : {x, x.to(kGpu)}) {
        const Tensor got = model->predict(given, {.batch_size = 4});
        ASSERT_EQ(got.shape(), Shape({13, 5, 3}));
        const training::Data rows({std::vector<Tensor>{got}, {}, {}}, "the outputs");
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          const auto first = static_cast<std::int64_t>(4 * i);
          const Tensor part = rows.slice(first, std::min<std::int64_t>(4, 13 - first)).x[0];
          EXPECT_TRUE(bitwise_equal(part, wanted[i])) << i << ", " << dtype_name(dtype);
        }
      }
    }
    const auto loader =
        std::make_shared<Sequences>(random, std::vector<Shape>{{5, 3}, {5, 3}, {2, 3}, {5, 3}});
    for (int run = 0; run < 2; ++run) {
      const Tensor got = model->predict(DataLoaderPtr(loader), {})[0];
      const training::Data rows({std::vector<Tensor>{got}, {}, {}}, "the outputs");
      std::int64_t first = 0;
      for (const DataSet& set : loader->sets) {
        const std::int64_t count = set.x[0].shape()[0];
        EXPECT_TRUE(
            bitwise_equal(rows.slice(first, count).x[0], model->predict_on_batch(set.x[0])));
        first += count;
      }
    }
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DevicePassesAhead, PredictionWaitsOnceForABatch) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = model_of(Way::kPlan, 3);
  model->to(kGpu);
  const auto waits_of = [&](std::int64_t batches) {
    const Tensor x = random.tensor({4 * batches, 5, 4});
    const std::size_t before = gpu->plays_at_waits().size();
    (void)model->predict(x, {.batch_size = 4});
    return gpu->plays_at_waits().size() - before;
  };
  (void)waits_of(5);
  const std::size_t used = gpu->used(), pinned = gpu->peak_pinned();
  const std::size_t one = waits_of(1);
  EXPECT_EQ(one, 2U) << "for the inputs and the outputs: nothing was sent ahead";
  EXPECT_EQ(waits_of(9), one + 8);
  EXPECT_EQ(gpu->used(), used);
  EXPECT_EQ(gpu->peak_pinned(), pinned);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DevicePassesAhead, PredictionOfOneBatchTakesNoMemoryForOthers) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = model_of(Way::kPlan, 3);
  model->to(kGpu);
  (void)model->predict(random.tensor({4, 5, 4}));
  const std::size_t before = gpu->peak_pinned();
  const Tensor x = random.tensor({400, 50, 4});
  (void)model->predict(x, {.batch_size = 400});
  EXPECT_LT(gpu->peak_pinned(), before + x.nbytes()) << "the slots alone";
}

TEST(DevicePassesAhead, PredictionGoesOnWhereTheModelWasMovedOrChanged) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = model_of(Way::kPlan, 3);
  const Tensor x = random.tensor({13, 5, 4});
  const Tensor here = model->predict(x, {.batch_size = 4});
  for (int round = 0; round < 2; ++round) {
    model->to(kGpu);
    const Tensor there = model->predict(x, {.batch_size = 4});
    expect_near(there, here, 1e-5, "there");
    EXPECT_TRUE(bitwise_equal(model->predict(x, {.batch_size = 4}), there));
    model->to(Device::cpu());
    EXPECT_TRUE(bitwise_equal(model->predict(x, {.batch_size = 4}), here));
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DevicePassesAhead, TrainingSendsBatchesOfOtherShapesOnceTheirGraphsAreThere) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  {
    const ModelPtr ahead = model_of(Way::kPlan, 3), one_by_one = model_of(Way::kPlan, 3);
    for (const ModelPtr& model : {ahead, one_by_one}) model->to(kGpu);
    training::Trainer trainer = trainer_of(*ahead), plain = trainer_of(*one_by_one);
    const auto loader = std::make_shared<Sequences>(
        random, std::vector<Shape>{{5, 3}, {5, 3}, {5, 8}, {5, 3}, {5, 8}, {2, 3}, {5, 8}});
    std::vector<std::size_t> made, used, pinned;
    for (int pass = 0; pass < 4; ++pass) {
      std::optional<training::Batch> next;
      const auto batch_at = [&](std::size_t i) {
        const training::Data data(loader->sets[i], "the batch");
        return data.slice(0, data.rows());
      };
      std::vector<bool> sent;
      for (std::size_t i = 0; i < loader->sets.size(); ++i) {
        const training::Batch batch = next ? *std::exchange(next, {}) : batch_at(i);
        sent.push_back(batch.sent != nullptr);
        trainer.train(batch, [&]() -> training::Batch* {
          if (i + 1 == loader->sets.size()) return nullptr;
          next = batch_at(i + 1);
          return &*next;
        });
        plain.train(batch_at(i));
      }
      using Sent = std::vector<bool>;
      EXPECT_EQ(sent, pass == 0 ? (Sent{false, true, false, true, true, false, true})
                                : (Sent{false, true, true, true, true, true, true}));
      expect_same_bits(*ahead, *one_by_one);
      made.push_back(gpu->made());
      used.push_back(gpu->used());
      pinned.push_back(gpu->peak_pinned());
    }
    EXPECT_EQ(made[3], made[2]);
    EXPECT_EQ(used[3], used[2]);
    EXPECT_EQ(pinned[3], pinned[2]);
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

/// More shapes than there are graphs for: graphs come and go while batches are on their way.
TEST(DevicePassesAhead, TrainingOfManyShapesGivesTheBitsOfBatchesOneByOne) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  {
    const ModelPtr by_fit = model_of(Way::kMask, 3), one_by_one = model_of(Way::kMask, 3);
    for (const ModelPtr& model : {by_fit, one_by_one}) model->to(kGpu);
    std::vector<Shape> shapes;
    for (int i = 0; i < 14; ++i) shapes.push_back({random.integer(1, 3), random.integer(2, 4)});
    const auto loader = std::make_shared<Sequences>(random, shapes);
    const FitOptions options{.epochs = 2, .verbose = Verbose::kSilent, .shuffle = false, .seed = 3};
    (void)by_fit->fit(DataLoaderPtr(loader), options);
    training::Trainer trainer = trainer_of(*one_by_one);
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (const DataSet& set : loader->sets) {
        const training::Data data(set, "the batch");
        trainer.train(data.slice(0, data.rows()));
      }
    }
    expect_same_bits(*by_fit, *one_by_one);
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

/// Changes weights, the learning rate and data that are not on their way yet, after each batch.
class Meddler : public Callback {
 public:
  explicit Meddler(Tensor x) : x_(std::move(x)) {}
  static void meddle(Model& model, Tensor& x, std::int64_t batch) {
    const VariablePtr bias = model.variables()[1];
    Tensor value = bias->value().to(Device::cpu()).clone();
    for (float& each : value.data<float>()) each += 0.25F;
    bias->assign(value.to(bias->device()));
    model.optimizer()->set_learning_rate(0.1 / static_cast<double>(batch + 2));
    for (std::int64_t row = 5 * (batch + 2);
         row < std::min<std::int64_t>(x.shape()[0], 5 * (batch + 3)); ++row) {
      x.data<float>()[static_cast<std::size_t>(row * 12)] = static_cast<float>(batch);
    }
  }
  void on_train_batch_end(FitRun& run, std::int64_t batch, const Logs&) override {
    meddle(run.model(), x_, batch);
  }

 private:
  Tensor x_;
};

TEST(DevicePassesAhead, FitHeedsWhatACallbackChanges) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  {
    Tensor x = random.tensor({23, 3, 4});
    const Tensor y = random.classes({23, 3}, 3);
    const Tensor validation = random.tensor({12, 3, 4}), labels = random.classes({12, 3}, 3);
    Tensor of_one_by_one = x.clone();
    const ModelPtr by_fit = model_of(Way::kPenalty, 3), one_by_one = model_of(Way::kPenalty, 3);
    for (const ModelPtr& model : {by_fit, one_by_one}) model->to(kGpu);
    const History history = by_fit->fit(x, y,
                                        {.batch_size = 5,
                                         .epochs = 2,
                                         .verbose = Verbose::kSilent,
                                         .callbacks = {std::make_shared<Meddler>(x)},
                                         .validation_data = DataSet{{validation}, {labels}, {}},
                                         .shuffle = false,
                                         .seed = 3});
    training::Trainer trainer = trainer_of(*one_by_one);
    const training::Data data({{of_one_by_one}, {y}, {}}, "the data");
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (std::int64_t batch = 0; batch < 5; ++batch) {
        trainer.train(data.slice(5 * batch, std::min<std::int64_t>(5, 23 - 5 * batch)));
        Meddler::meddle(*one_by_one, of_one_by_one, batch);
      }
      const double loss =
          one_by_one->evaluate(validation, labels, {.batch_size = 5, .verbose = Verbose::kSilent})
              .at("loss");
      EXPECT_EQ(history.history.at("val_loss").at(static_cast<std::size_t>(epoch)), loss);
    }
    expect_same_bits(*by_fit, *one_by_one);
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST_P(DevicePassesAhead, FailuresOfAnyCallAreThrownOrDoNoHarm) {
  Random random;
  const Tensor x = random.tensor({14, 3, 4}), y = random.classes({14, 3}, 3);
  const auto pass = [&](Model& model) {
    Logs logs = model.evaluate(x, y, {.batch_size = 4, .verbose = Verbose::kSilent});
    return std::pair(std::move(logs), model.predict(x, {.batch_size = 4}));
  };
  std::optional<std::pair<Logs, Tensor>> wanted;
  {
    const FakeGpu gpu = fake_gpu(random);
    const ModelPtr model = model_of(GetParam(), 3);
    model->to(kGpu);
    wanted = pass(*model);
  }
  for (const auto fault : {FakeRuntime::Fault::kNow, FakeRuntime::Fault::kLater}) {
    int failures = 0;
    bool reached = true;
    for (std::size_t n = 0; reached && n < 5000;
         n += static_cast<std::size_t>(random.integer(1, 3))) {
      SCOPED_TRACE(n);
      const FakeGpu gpu = fake_gpu(random);
      {
        const ModelPtr model = model_of(GetParam(), 3);
        model->to(kGpu);
        gpu->fail_at(n, "cudaErrorLaunchFailure", fault);
        try {
          const auto got = pass(*model);
          EXPECT_EQ(got.first, wanted->first);
          EXPECT_TRUE(bitwise_equal(got.second, wanted->second));
        } catch (const DeviceError& error) {
          EXPECT_THAT(error.what(), ::testing::HasSubstr("injected fault"));
          ++failures;
        }
        reached = gpu->calls() > n;
        gpu->fail_never();
      }
      EXPECT_EQ(gpu->used(), 0U);
      EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
      ASSERT_FALSE(HasFailure());
    }
    EXPECT_FALSE(reached);
    EXPECT_GT(failures, 10);
  }
}

}  // namespace
}  // namespace lamina
