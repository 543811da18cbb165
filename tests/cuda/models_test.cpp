// Models that predict, train and are saved by csrc/runtime/cuda's own calls, over the double of
// CUDA's runtime: nothing that they ask of it may be refused.
#include <gmock/gmock.h>
#include <lamina/lamina.h>

#include <functional>
#include <future>
#include <random>
#include <vector>

#include "cuda_double.h"
#include "kernels_as_functions.h"
#include "runtime/devices.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/training/device/device_scene.h"

namespace lamina {
namespace {

using testing::CapturedWarnings;
using testing::CudaDouble;
using ::testing::ElementsAre;
using testing::FunctionRuntime;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::memory_directory;
using testing::TemporaryDirectory;

constexpr Device kGpu = Device::cuda(2);
constexpr std::int64_t kRows = 14, kWords = 6, kClasses = 3;

runtime::Devices::Factory function_runtimes() {
  return [](Device device) { return std::make_shared<FunctionRuntime>(device.index); };
}

/// What needs something of the runtime beside launches: ids that may be refused, random numbers,
/// moving averages, a penalty, a mask of the output.
ModelPtr sentences() {
  const ModelPtr model = Sequential::create(
      {layers::InputLayer({.shape = {kWords}, .dtype = "int32"}),
       layers::Embedding({.input_dim = 20, .output_dim = 8, .mask_zero = true}),
       layers::GlobalAveragePooling1D(),
       layers::Dense({.units = 9, .activation = "relu", .kernel_regularizer = "l2"}),
       layers::BatchNormalization(), layers::Dropout({.rate = 0.25}),
       layers::Dense({.units = kClasses, .activation = "softmax"})});
  model->compile({.optimizer = optimizers::SGD({.learning_rate = 0.05, .momentum = 0.9}),
                  .loss = "sparse_categorical_crossentropy",
                  .metrics = {"accuracy"}});
  return model;
}

struct Labelled {
  Tensor x, y;
};

Labelled data(std::mt19937& random) {
  std::vector<std::int32_t> x, y;
  for (int i = 0; i < kRows * kWords; ++i) x.push_back(static_cast<std::int32_t>(random() % 20));
  for (int i = 0; i < kRows; ++i) y.push_back(static_cast<std::int32_t>(random() % kClasses));
  return {Tensor::from(x, {kRows, kWords}), Tensor::from(y, {kRows, 1})};
}

FitOptions options() {
  return {.batch_size = 5, .epochs = 3, .verbose = Verbose::kSilent, .seed = 3};
}

TEST(ModelsOnCuda, AskNothingThatIsRefusedAndLeaveNothing) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Labelled given = data(random);
  const CapturedWarnings warnings;
  const CudaDouble cuda(3);
  {
    const runtime::ReplacedDevices devices(function_runtimes(), {2, 4096});
    const TemporaryDirectory directory(memory_directory());
    const ModelPtr here = sentences(), there = sentences();
    there->set_weights(here->get_weights());
    there->to(kGpu);
    (void)here->fit(given.x, given.y, options());
    // The thread that trains is another than the one that made what it trains on.
    std::async(std::launch::async, [&] { (void)there->fit(given.x, given.y, options()); }).get();
    const std::size_t of_training = cuda.launched_graphs();
    EXPECT_GT(of_training, 0U);
    lamina::test::expect_near(there->variables(), here->variables(), 1e-4);
    const Tensor y = there->predict(given.x, {.batch_size = kRows});
    for (int call = 0; call < 3; ++call) {
      EXPECT_TRUE(bitwise_equal(there->predict(given.x, {.batch_size = kRows}), y));
    }
    EXPECT_GT(cuda.launched_graphs(), of_training);
    there->save_weights_async(directory / "a.weights.h5").wait();
    std::async(std::launch::async, [&] { there->load_weights(directory / "a.weights.h5"); }).get();
    EXPECT_TRUE(bitwise_equal(there->predict(given.x, {.batch_size = kRows}), y));
  }
  EXPECT_THAT(cuda.refused(), IsEmpty());
  EXPECT_THAT(warnings.all, IsEmpty());
  EXPECT_THAT(cuda.in_use(), ElementsAre(kGpu.index));
  EXPECT_EQ(cuda.live(), 0U);
}

TEST(ModelsOnCuda, SayWhichIdAnEmbeddingLacksAndGoOn) {
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Labelled given = data(random);
  const CudaDouble cuda(3);
  {
    const runtime::ReplacedDevices devices(function_runtimes(), {2, 4096});
    const ModelPtr model = sentences();
    model->to(kGpu);
    const Tensor y = model->predict(given.x);
    Tensor wrong = given.x.clone();
    wrong.data<std::int32_t>()[7] = 20;
    for (int call = 0; call < 3; ++call) {  // as launches, while they are recorded, as a graph
      try {
        (void)model->predict(wrong);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const ValueError& error) {
        EXPECT_THAT(error.what(), HasSubstr("position 7"));
      }
      EXPECT_TRUE(bitwise_equal(model->predict(given.x), y));
    }
    EXPECT_GT(cuda.launched_graphs(), 0U);
  }
  EXPECT_THAT(cuda.refused(), IsEmpty());
  EXPECT_EQ(cuda.live(), 0U);
}

/// A stream that records, and what spoils that.
TEST(Recordings, ThatAreDisturbedSaySoAndTheirStreamGoesOn) {
  const CudaDouble cuda(1);
  runtime::DeviceContext context(Device::cuda(0), std::make_shared<FunctionRuntime>(0), {1, 4096});
  const auto memory = context.runtime().allocate(8);
  const auto pinned = context.runtime().allocate_pinned(8);
  const auto copy = [&] {
    context.compute([&](runtime::Stream& stream) {
      stream.copy(std::vector<runtime::Copy>{{memory->address(), pinned->address(), 8}});
    });
  };
  const auto event = context.runtime().make_event();
  const std::vector<std::function<void()>> disturbances = {
      [&] { context.settle(); },  // which tells nobody
      [&] { EXPECT_THROW((void)event->done(), DeviceError); },
      [&] { EXPECT_THROW((void)context.runtime().allocate(1), DeviceError); },
      [&] { EXPECT_THROW((void)context.runtime().allocate_pinned(1), DeviceError); }};
  for (const auto& disturb : disturbances) {
    copy();
    EXPECT_THROW((void)context.record(disturb), DeviceError);
    const auto recording = context.record(copy);
    context.compute([&](runtime::Stream& stream) { stream.play(*recording); });
  }
  EXPECT_EQ(cuda.launched_graphs(), disturbances.size());
}

TEST(Recordings, LeaveOtherThreadsAlone) {
  const CudaDouble cuda(1);
  runtime::DeviceContext context(Device::cuda(0), std::make_shared<FunctionRuntime>(0), {1, 4096});
  const auto recording = context.record([&] {
    std::async(std::launch::async, [&] {
      const auto memory = context.runtime().allocate(8);
      const auto pinned = context.runtime().allocate_pinned(8);
      const auto event = context.runtime().make_event();
      const auto stream = context.runtime().make_stream();
      stream->copy(std::vector<runtime::Copy>{{memory->address(), pinned->address(), 8}});
      stream->record(*event);
      event->wait();
    }).get();
  });
  EXPECT_NE(recording, nullptr);
  EXPECT_THAT(cuda.refused(), IsEmpty());
}

}  // namespace
}  // namespace lamina
