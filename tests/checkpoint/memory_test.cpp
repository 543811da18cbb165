// By how much saving and loading raise the process's resident memory at its peak.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>

#include "checkpoint/checkpoint.h"
#include "runtime/host/host_runtime.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/cost_of.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kTensor = 48 * kMiB;  // always a mapping of its own
constexpr runtime::PinnedRing::Options kRing{2, 8 * kMiB};

/// LAMINA_MEMORY_MIB asks for a larger model than the everyday one.
std::size_t tensors() {
  const char* given = std::getenv("LAMINA_MEMORY_MIB");
  const std::size_t mebibytes = given != nullptr ? std::strtoull(given, nullptr, 10) : 384;
  return mebibytes * kMiB / kTensor;
}

/// Every page of every tensor has another content.
Tensor value_of(std::size_t index) {
  Tensor out = Tensor::empty({static_cast<std::int64_t>(kTensor / 8)}, DType::kUInt64);
  for (std::uint64_t& element : out.data<std::uint64_t>()) element = index << 32;
  for (std::size_t i = 0; i < kTensor / 8; i += 512) out.data<std::uint64_t>()[i] += i;
  return out;
}

/// Variables without values, whose initialisers must not run.
weights::WeightTree unfilled(Device device) {
  TreeBuilder builder;
  for (std::size_t i = 0; i < tensors(); ++i) {
    const std::string name = "x_" + std::to_string(i);
    builder.layer("layers/" + name, name);
    const auto variable =
        std::make_shared<Variable>("kernel", Shape{static_cast<std::int64_t>(kTensor / 8)},
                                   DType::kUInt64, [](const Shape&, DType) -> Tensor {
                                     throw ValueError("a value is made to be thrown away");
                                   });
    variable->to(device);
    builder.tree.nodes.back().variables.push_back({"0", variable});
  }
  return std::move(builder.tree);
}

class Memory : public ::testing::TestWithParam<std::tuple<Device, bool>> {
 protected:
  /// What the heap keeps of what was freed must not hide what is taken now.
  template <class F>
  static double peak_of(F&& call) {
    malloc_trim(0);
    return cost_of(call).megabytes;
  }
  /// Fails where the peak is more than the ring and 64 MiB above what stays.
  static void expect_bounded(const char* doing, double megabytes, Device device) {
    const std::size_t ring = device == Device::cpu() ? 0 : kRing.slots * kRing.slot_bytes;
    const double bound = static_cast<double>(ring + 64 * kMiB) / 1e6;
    RecordProperty(std::string(doing) + "_megabytes", std::to_string(megabytes));
    EXPECT_LE(megabytes, bound) << doing;
  }
};

TEST_P(Memory, OfSavingAndLoadingIsBoundedWhateverTheModelsSize) {
  const auto [device, sharded] = GetParam();
  const FakeGpus gpus({std::make_shared<runtime::HostRuntime>()}, kRing);
  const TemporaryDirectory directory;
  const auto path = directory / (sharded ? "m.weights.json" : "m.weights.h5");
  {
    const auto tree = unfilled(device);
    for (std::size_t i = 0; i < tensors(); ++i) {
      tree.nodes[i + 1].variables[0].variable->assign(value_of(i));
    }
    SaveRequest request;
    if (sharded) request.max_shard_size = 3.0 * kTensor / (1U << 30);
    expect_bounded("saving", peak_of([&] { save(tree, path, request); }), device);
  }
  const auto tree = unfilled(device);
  const double model = static_cast<double>(tensors() * kTensor) / 1e6;
  expect_bounded("loading", peak_of([&] { load(tree, path, {}); }) - model, device);
  for (std::size_t i = 0; i < tensors(); ++i) {
    ASSERT_TRUE(bitwise_equal(tree.nodes[i + 1].variables[0].variable->value(), value_of(i))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, Memory,
    ::testing::Combine(::testing::Values(Device::cpu(), Device::cuda(0)), ::testing::Bool()),
    [](const auto& tested) {
      return std::string(std::get<0>(tested.param) == Device::cpu() ? "Host" : "Device") +
             (std::get<1>(tested.param) ? "Sharded" : "Single");
    });

}  // namespace
}  // namespace lamina::checkpoint
