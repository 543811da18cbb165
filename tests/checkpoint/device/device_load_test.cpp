// Loads into values that take more than half of a device's memory: there is no room for them twice.
#include <gtest/gtest.h>
#include <lamina/error.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/checkpoint.h"
#include "core/free_memory.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using namespace lamina::testing;  // NOLINT

constexpr Device kGpu = Device::cuda(0);
constexpr std::int64_t kElements = 20'000;
constexpr std::size_t kValues = 3 * 4 * kElements;

class DeviceLoad : public ::testing::Test {
 protected:
  DeviceLoad() {
    TreeBuilder builder;
    for (const char* name : {"a", "b", "c"}) {
      builder.layer(std::string("layers/") + name, name,
                    {random_tensor(random_, {kElements}, DType::kFloat32)});
    }
    checkpoint::save(builder.tree, path_, {});
    saved_ = snapshot(builder.tree);
    tree_ = poisoned_copy(builder.tree, kGpu);
    before_ = snapshot(tree_);
  }

  [[nodiscard]] Variable& variable(std::size_t layer) const {
    return *tree_.nodes[layer + 1].variables[0].variable;
  }
  void damage_the_last_byte_of_a_tensor() const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const auto* const last = static_cast<const char*>(saved_.back().raw());
    const std::size_t at = bytes.find(std::string(last, saved_.back().nbytes()));
    ASSERT_NE(at, std::string::npos);
    const std::size_t place = at + saved_.back().nbytes() - 1;
    file.seekp(static_cast<std::streamoff>(place));
    file.put(static_cast<char>(bytes[place] ^ 1));
  }
  void expect_lacks_memory() const {
    try {
      load(tree_, path_, {});
      ADD_FAILURE() << "there was memory";
    } catch (const DeviceError& error) {
      EXPECT_TRUE(error.out_of_memory()) << error.what();
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos) << error.what();
    }
    EXPECT_TRUE(same_values(snapshot(tree_), before_));
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
  // A third of the values fits beside them.
  FakeGpu gpu_{{.seed = seed_, .memory = kValues * 4 / 3 + 4096}};
  TemporaryDirectory directory_{memory_directory()};
  std::filesystem::path path_ = directory_ / "m.weights.h5";
  weights::WeightTree tree_;
  std::vector<Tensor> saved_, before_;
};

TEST_F(DeviceLoad, WritesOverTheValuesWhereTheDeviceHasNoRoomForOthers) {
  const void* const place = variable(1).value().raw();
  load(tree_, path_, {});
  EXPECT_TRUE(same_values(snapshot(tree_), saved_));
  EXPECT_EQ(variable(1).value().raw(), place);
  EXPECT_EQ(variable(1).value().device(), kGpu);
  EXPECT_EQ(gpu_->used(), kValues);
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(DeviceLoad, LeavesAloneWhatOthersSee) {
  const Tensor seen = variable(1).value();  // one of three, for which there is room
  load(tree_, path_, {});
  EXPECT_TRUE(same_values(snapshot(tree_), saved_));
  EXPECT_TRUE(bitwise_equal(seen.to(Device::cpu()), before_[1]));
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(DeviceLoad, LacksMemoryWhereOthersSeeTooMuch) {
  const Tensor seen[] = {variable(0).value(), variable(1).value()};
  expect_lacks_memory();
}

TEST_F(DeviceLoad, WaitsForSavesInTheBackgroundThatSeeTheValues) {
  std::vector<Tensor> seen{variable(0).value(), variable(1).value()};
  save_queue().submit("seen", std::make_shared<SaveState>(path_),
                      [seen = std::move(seen)](SaveState&) {
                        std::this_thread::sleep_for(std::chrono::milliseconds(100));
                      });
  load(tree_, path_, {});
  EXPECT_TRUE(same_values(snapshot(tree_), saved_));
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(DeviceLoad, LacksMemoryWhereTheHostDoes) {
  const core::ReplacedFreeMemory none(kValues - 1);
  expect_lacks_memory();
}

TEST_F(DeviceLoad, OfADamagedFileChangesNothing) {
  damage_the_last_byte_of_a_tensor();
  EXPECT_THROW(load(tree_, path_, {}), CorruptionError);
  EXPECT_TRUE(same_values(snapshot(tree_), before_));
  EXPECT_EQ(gpu_->used(), kValues);
}

TEST_F(DeviceLoad, ADeviceThatFailsIsNamedAndTheNextLoadBringsAllValues) {
  bool failed = true;
  for (std::size_t n = 0; failed; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 1000U);
    failed = false;
    gpu_->fail_at(n);
    try {
      load(tree_, path_, {});
    } catch (const DeviceError& error) {
      failed = true;
      EXPECT_NE(std::string(error.what()).find(path_.string()), std::string::npos) << error.what();
    }
    gpu_->fail_never();
    EXPECT_EQ(gpu_->used(), kValues);
    load(tree_, path_, {});
    ASSERT_TRUE(same_values(snapshot(tree_), saved_));
  }
}

}  // namespace
}  // namespace lamina::checkpoint
