// Batches that go to a device while it computes the step before: on a double that works late, in
// random order between streams, and reports copies that nothing orders.
#include <gmock/gmock.h>
#include <lamina/gradient_tape.h>

#include <optional>
#include <regex>

#include "tests/fakes/fake_gpu.h"
#include "tests/training/device/device_scene.h"
#include "tests/training/fit/loaders.h"
#include "training/fit/feed.h"
#include "training/fit/trainer.h"

namespace lamina {
namespace {

using namespace test;
using lamina::testing::FakeGpu;

constexpr Device kGpu = Device::cuda(0);

FakeGpu fake_gpu(Random& random) {
  return FakeGpu({.seed = static_cast<unsigned>(random.integer(0, 1 << 20))}, {2, 1 << 16});
}

ModelPtr compiled_convnet(std::uint64_t seed) {
  const ModelPtr model = convnet(seed);
  compile(model, optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9}));
  return model;
}

/// Arrays as a loader gives them, five rows a batch.
class Fives : public DataLoader {
 public:
  Fives(Tensor x, Tensor y) : data_({{std::move(x)}, {std::move(y)}, {}}, "the data") {}
  std::int64_t batches() const override { return (data_.rows() + 4) / 5; }
  DataSet batch(std::int64_t, std::int64_t index, std::uint64_t) override {
    training::Batch rows =
        data_.slice(5 * index, std::min<std::int64_t>(5, data_.rows() - 5 * index));
    return {std::move(rows.x), std::move(rows.y), {}};
  }

 private:
  training::Data data_;
};

FitOptions options(std::vector<CallbackPtr> callbacks = {}) {
  return {.batch_size = 5,
          .epochs = 2,
          .verbose = Verbose::kSilent,
          .callbacks = std::move(callbacks),
          .seed = 3};
}

// Four full batches, and one of another shape, which is sent ahead in the second epoch.
TEST(DeviceAhead, FitGivesTheBitsOfBatchesOneByOneAndLeavesNothingUnordered) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  {
    const Tensor x = random.tensor({23, 8, 8, 3}), y = random.classes({23}, 3);
    const auto seed = static_cast<std::uint64_t>(random.integer(0, 1000));
    const ModelPtr by_arrays = compiled_convnet(seed), by_loader = compiled_convnet(seed);
    for (const ModelPtr& model : {by_arrays, by_loader}) model->to(kGpu);
    FitOptions in_order = options();
    in_order.shuffle = false;
    (void)by_arrays->fit(x, y, in_order);
    (void)by_loader->fit(std::make_shared<Fives>(x, y), in_order);
    expect_same_bits(*by_arrays, *by_loader);

    const ModelPtr one_by_one = compiled_convnet(seed);
    one_by_one->to(kGpu);
    training::Trainer trainer(*one_by_one,
                              {.optimizer = one_by_one->optimizer(),
                               .loss = losses::SparseCategoricalCrossentropy({.from_logits = true}),
                               .metrics = {"accuracy"}});
    trainer.set_seed(3);
    const training::Data data({{x}, {y}, {}}, "the data");
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (std::int64_t first = 0; first < 23; first += 5) {
        trainer.train(data.slice(first, std::min<std::int64_t>(5, 23 - first)));
      }
    }
    expect_same_bits(one_by_one->variables(), by_arrays->variables());
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceAhead, TheNextBatchIsSentBehindBackwardAndBeforeAnythingIsWaitedFor) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = compiled_convnet(2);
  model->to(kGpu);
  training::Trainer trainer(*model,
                            {.optimizer = model->optimizer(),
                             .loss = losses::SparseCategoricalCrossentropy({.from_logits = true})});
  const training::Data data({{random.tensor({30, 8, 8, 3})}, {random.classes({30}, 3)}, {}},
                            "data");
  const auto feed = training::array_feed(data, 5, true);
  feed->begin(1, 0, 0, 6);
  std::size_t plays = 0, waits = 0, copies = 0, asked = 0;
  std::vector<std::size_t> given;  // copies from there on, in each step
  const auto ahead = [&] {
    if (++asked > 3) {  // all is recorded
      EXPECT_EQ(gpu->plays() - plays, 2U) << "forward and backward are the device's";
      EXPECT_EQ(gpu->plays_at_waits().size(), waits) << "the host has waited for nothing";
    }
    copies = gpu->batches();
    return feed->ahead();
  };
  for (int step = 0; step < 6; ++step) {
    const training::Batch batch = feed->next();
    EXPECT_EQ(batch.sent != nullptr, step > 0) << step;
    plays = gpu->plays();
    waits = gpu->plays_at_waits().size();
    trainer.train(batch, ahead);
    given.push_back(gpu->batches() - copies);
  }
  EXPECT_EQ(asked, 6U);
  EXPECT_EQ(given[4], given[3]);
  EXPECT_EQ(given[5] + 1, given[4]) << "the last step has no batch to send, in one copy";
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceAhead, WhatWasSentIsUsedOnceAndForItsOwnStepAlone) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = convnet(4);
  model->to(kGpu);
  const std::vector<Tensor> first = {random.tensor({5, 8, 8, 3})},
                            second = {random.tensor({5, 8, 8, 3})};
  training::TrainGraph graph(*model, {first[0].shape()}, kGpu);
  const std::vector<Tensor> wanted = {graph.forward(second, {1, 2})[0].clone()};
  graph.begin_forward(first, {1, 1});
  const auto sent = graph.send(second, {1, 2});
  (void)graph.finish_forward();
  EXPECT_FALSE(graph.holds(sent, {1, 3})) << "dropout would drop others";
  ASSERT_TRUE(graph.holds(sent, {1, 2}));
  graph.begin_forward(sent);
  EXPECT_FALSE(graph.holds(sent, {1, 2}));
  EXPECT_TRUE(bitwise_equal(graph.finish_forward()[0], wanted[0]));
  const auto lost = graph.send(first, {1, 4});
  (void)graph.forward(second, {1, 2});
  EXPECT_FALSE(graph.holds(lost, {1, 4})) << "something else was sent since";
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceAhead, WhatWasSentIsOfNoUseToAnotherGraphInTheSamePlace) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = convnet(4);
  const std::vector<Tensor> x = {random.tensor({5, 8, 8, 3})};
  std::optional<training::TrainGraph> graph;
  const auto make = [&](Device device) {
    model->to(device);
    graph.emplace(*model, std::vector<Shape>{x[0].shape()}, device);
  };
  for (const Device next : {Device::cpu(), kGpu}) {
    make(kGpu);
    const auto sent = graph->send(x, {1, 1});
    ASSERT_TRUE(graph->holds(sent, {1, 1}));
    make(next);
    EXPECT_FALSE(graph->holds(sent, {1, 1})) << next.str();
  }
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

/// What a run says, without the numbers of names, and after how many steps.
std::pair<std::string, std::int64_t> failure_of(Model& model, const DataLoaderPtr& loader) {
  FitOptions in_order = options();
  in_order.shuffle = false;
  const std::string message = message_of([&] { (void)model.fit(loader, in_order); });
  return {std::regex_replace(message, std::regex("_\\d+'"), "'"), model.optimizer()->steps()};
}

TEST(DeviceAhead, FailuresOfABatchAreThoseOfItsOwnStep) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const Spokes data(random, 60);
  for (const char* fault : {"fails", "narrow", "label"}) {
    SCOPED_TRACE(fault);
    Spokes given = data;
    const auto loader = [&]() -> DataLoaderPtr {
      auto out = std::make_shared<Rows>(given);
      if (fault == std::string("fails")) out->fails_at = 3;
      if (fault == std::string("narrow")) out->narrow_at = 3;
      return out;
    };
    given.y = data.y.clone();
    if (fault == std::string("label")) given.y.data<std::int64_t>()[34] = 3;
    const ModelPtr here = compiled_classifier(), there = compiled_classifier();
    there->to(kGpu);
    const auto wanted = failure_of(*here, loader());
    EXPECT_EQ(failure_of(*there, loader()), wanted);
    EXPECT_EQ(wanted.second, 3);
    EXPECT_NE(wanted.first, "nothing was thrown");
  }
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

/// Stops the run there.
class Stop : public Callback {
 public:
  void on_train_batch_end(FitRun& run, std::int64_t batch, const Logs&) override {
    if (batch == 1) run.stop_training();
  }
};

TEST(DeviceAhead, ARunThatStopsMidwayLeavesNothingBehind) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const Tensor x = random.tensor({30, 8, 8, 3}), y = random.classes({30}, 3);
  for (const bool crashes : {false, true}) {
    const ModelPtr stopped = compiled_convnet(5), undisturbed = compiled_convnet(5);
    for (const ModelPtr& model : {stopped, undisturbed}) model->to(kGpu);
    CallbackPtr end = std::make_shared<Stop>();
    if (crashes) end = std::make_shared<Crash>(1);
    EXPECT_EQ(message_of([&] { (void)stopped->fit(x, y, options({end})); }),
              crashes ? "crash" : "nothing was thrown");
    (void)message_of([&] { (void)undisturbed->fit(x, y, options({std::make_shared<Stop>()})); });
    EXPECT_EQ(stopped->optimizer()->steps(), 2);
    // What had been sent is not what comes next.
    const Tensor other = random.tensor({5, 8, 8, 3}), labels = random.classes({5}, 3);
    for (const ModelPtr& model : {stopped, undisturbed}) (void)model->train_on_batch(other, labels);
    expect_same_bits(*stopped, *undisturbed);
  }
  EXPECT_EQ(gpu->used(), 0U);
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

TEST(DeviceAhead, TensorsOfTheDeviceAreUsedThereAndCastThere) {
  Random random;
  const FakeGpu gpu = fake_gpu(random);
  const ModelPtr model = classifier(6);  // without penalties, whose factors are the host's
  model->to(kGpu);
  GradientTape tape(*model, 9);
  const auto outputs_of = [&](const Tensor& x) {
    GradientTape fresh(*model, 9);
    return fresh.forward({x})[0].clone();
  };
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kInt32}) {
    const Tensor here = random.tensor({5, 4}, -9, 9).cast(dtype), there = here.to(kGpu);
    EXPECT_TRUE(bitwise_equal(outputs_of(there), outputs_of(here))) << dtype_name(dtype);
  }
  // Once all is recorded: the host waits for the outputs alone, and gradients stay there, too.
  const Tensor x = random.tensor({5, 4}).to(kGpu), slopes = random.tensor({5, 3}).to(kGpu);
  for (int i = 0; i < 4; ++i) {
    const std::size_t waits = gpu->plays_at_waits().size();
    (void)tape.forward({x});
    (void)tape.gradients({slopes});
    if (i < 3) continue;
    EXPECT_EQ(gpu->plays_at_waits().size() - waits, 1U);
  }
  GradientTape fresh(*model, 9), with_host(*model, 9);
  (void)fresh.forward({x});
  (void)with_host.forward({x.to(Device::cpu())});
  const Tensor got = fresh.gradients({slopes})[0].to(Device::cpu());
  EXPECT_TRUE(bitwise_equal(got, with_host.gradients({slopes.to(Device::cpu())})[0]));
  EXPECT_EQ(gpu->disorders(), std::vector<std::string>{});
}

}  // namespace
}  // namespace lamina
