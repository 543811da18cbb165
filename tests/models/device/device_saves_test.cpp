// Models on a device that are saved in the background while their values are overwritten in place,
// with each policy, into one file and into shards. Also a part of test_gpu.
#include <gtest/gtest.h>
#include <lamina/lamina.h>

#include <cmath>
#include <cstring>

#include "tests/fakes/temporary_directory.h"
#include "tests/fakes/tested_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina {
namespace {

using lamina::testing::kRealGpu;
using lamina::testing::memory_directory;
using lamina::testing::TemporaryDirectory;
using lamina::testing::TestedGpu;

constexpr Device kGpu = Device::cuda();
/// So that a real device's copies take their time.
constexpr std::int64_t kUnits = kRealGpu ? 2048 : 48;
/// In GB: for one large kernel, not for two.
constexpr double kShard = 1.5 * kUnits * kUnits * sizeof(float) / (1U << 30);

/// Weights of several types, large and small.
ModelPtr mixed_model() {
  return Sequential::create(
      {layers::InputLayer({.shape = {kUnits}}), layers::Dense({.units = kUnits}),
       layers::BatchNormalization(), layers::Dense({.units = kUnits, .dtype = "float16"}),
       layers::Dense({.units = kUnits, .dtype = "bfloat16"}), layers::Dense({.units = kUnits}),
       layers::Dense({.units = 3, .dtype = "float64"})});
}

/// Any bits.
std::vector<Tensor> random_values(const Model& model, std::mt19937_64& random) {
  std::vector<Tensor> out;
  for (const VariablePtr& variable : model.variables()) {
    out.push_back(Tensor::empty(variable->shape(), variable->dtype()));
    for (std::byte& byte : out.back().bytes()) byte = static_cast<std::byte>(random());
  }
  return out;
}

void assign(const Model& model, const std::vector<Tensor>& values) {
  const auto variables = model.variables();
  for (std::size_t i = 0; i < values.size(); ++i) variables[i]->assign(values[i]);
}

void expect_values(const Model& model, const std::vector<Tensor>& wanted, Device device) {
  const auto variables = model.variables();
  ASSERT_EQ(variables.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(variables[i]->device(), device);
    EXPECT_TRUE(bitwise_equal(variables[i]->value().to(Device::cpu()), wanted[i]))
        << variables[i]->path();
  }
}

/// As an optimizer may: in the weights' own memory, on the stream on which the device computes.
class InPlace {
 public:
  InPlace(runtime::Runtime& runtime, const Model& model, const std::vector<Tensor>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t size = values[i].nbytes();
      news_.push_back(runtime.allocate_pinned(size));
      std::memcpy(news_.back()->write(0, size).bytes().data(), values[i].raw(), size);
      places_.push_back(model.variables()[i]->value());
    }
  }
  /// Returns at once.
  void write() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      lamina::testing::overwrite_on_device(kGpu, static_cast<std::byte*>(places_[i].raw()),
                                           *news_[i], places_[i].nbytes());
    }
  }
  ~InPlace() {
    runtime::devices().get(kGpu)->with_stream([](auto& stream) { stream.synchronize(); });
  }
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;

 private:
  std::vector<std::unique_ptr<runtime::PinnedMemory>> news_;
  std::vector<Tensor> places_;
};

struct Kind {
  const char* name;
  SnapshotPolicy policy;
};

class DeviceSaves : public ::testing::TestWithParam<std::tuple<Kind, bool>> {
 protected:
  void SetUp() override { LAMINA_NEED_TESTED_GPU(); }
};
INSTANTIATE_TEST_SUITE_P(
    Each, DeviceSaves,
    ::testing::Combine(::testing::Values(Kind{"None", SnapshotPolicy::kNone},
                                         Kind{"Device", SnapshotPolicy::kDevice},
                                         Kind{"Host", SnapshotPolicy::kHost},
                                         Kind{"Automatic", SnapshotPolicy::kAutomatic}),
                       ::testing::Bool()),
    [](const auto& info) {
      return std::string(std::get<0>(info.param).name) +
             (std::get<1>(info.param) ? "_InShards" : "_InOneFile");
    });

TEST_P(DeviceSaves, HoldTheValuesOfTheCallWhatIsWrittenInPlaceBehindTheFence) {
  const auto& [kind, sharded] = GetParam();
  const unsigned seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const TestedGpu gpu({.seed = seed}, {2, kRealGpu ? 1 << 20 : 1 << 12});
  {
    const TemporaryDirectory directory(memory_directory());
    const auto path = directory / (sharded ? "m.weights.json" : "m.weights.h5");
    const ModelPtr model = mixed_model(), there = mixed_model(), here = mixed_model();
    const std::vector<Tensor> old = random_values(*model, random),
                              news = random_values(*model, random);
    assign(*model, old);
    model->to(kGpu);
    there->to(kGpu);
    AsyncSaveOptions options{.snapshot = kind.policy};
    if (sharded) options.save.max_shard_size = kShard;
    InPlace update(*gpu, *model, news);
    SaveHandle saving = model->save_weights_async(path, options);
    model->wait_until_copied();
    update.write();
    saving.wait();
    for (const auto& [loaded, device] : {std::pair{there, kGpu}, {here, Device::cpu()}}) {
      loaded->load_weights(path);
      expect_values(*loaded, old, device);
    }
    expect_values(*model, news, kGpu);
    EXPECT_EQ(std::filesystem::exists(directory / "m_00001.weights.h5"), sharded);
  }
  gpu.expect_unused();
  gpu.expect_order();
}

}  // namespace
}  // namespace lamina
