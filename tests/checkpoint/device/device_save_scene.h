// Saving trees whose values are on devices, and loading them there and here.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fakes/tested_gpu.h"
#include "tests/fresh_seed.h"

namespace lamina::testing {

class DeviceSave : public ::testing::Test {
 protected:
  void SetUp() override { LAMINA_NEED_TESTED_GPU(); }

  static void move(const WeightTree& tree, const std::function<Device()>& where) {
    for (const auto& node : tree.nodes) {
      for (const auto& [key, variable] : node.variables) variable->to(where());
    }
  }
  /// Of tensors that take several slots of a ring.
  WeightTree large_tree() {
    TreeBuilder builder;
    for (const char* name : {"a", "b", "c"}) {
      builder.layer(std::string("layers/") + name, name,
                    {random_tensor(random_, {3, 500'003}, DType::kFloat32),
                     random_tensor(random_, {17}, DType::kFloat16)});
    }
    return std::move(builder.tree);
  }
  /// Loads into copies on the devices and on the host.
  void expect_loads(const WeightTree& tree, const std::filesystem::path& path) {
    const std::vector<Tensor> wanted = snapshot(tree);
    const auto copy = poisoned_copy(tree);
    checkpoint::load(copy, path, {});
    EXPECT_TRUE(same_values(snapshot(copy), wanted));
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
      for (std::size_t v = 0; v < tree.nodes[i].variables.size(); ++v) {
        const Variable& loaded = *copy.nodes[i].variables[v].variable;
        EXPECT_EQ(loaded.device(), tree.nodes[i].variables[v].variable->device());
        EXPECT_EQ(loaded.value().device(), loaded.device());
      }
    }
    const auto here = poisoned_copy(tree);
    move(here, [] { return Device::cpu(); });
    checkpoint::load(here, path, {});
    EXPECT_TRUE(same_values(snapshot(here), wanted));
  }
  void save_and_load(const WeightTree& tree) {
    const TemporaryDirectory directory(memory_directory());
    const CapturedWarnings warnings;
    checkpoint::save(tree, directory / "m.weights.h5", {});
    expect_loads(tree, directory / "m.weights.h5");
    double largest = 1;
    for (const auto& node : tree.nodes) {
      for (const auto& v : node.variables) {
        largest = std::max(largest, static_cast<double>(v.variable->nbytes()));
      }
    }
    checkpoint::SaveRequest request;
    request.max_shard_size = (largest + random_() % 2000) / (1U << 30);
    checkpoint::save(tree, directory / "s.weights.json", request);
    expect_loads(tree, directory / "s.weights.json");
    EXPECT_EQ(warnings.all, std::vector<std::string>{});
  }

  const unsigned seed_ = lamina::test::fresh_seed();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  std::mt19937 random_{seed_};
};

}  // namespace lamina::testing
