#include "cases.h"

#include <lamina/applications.h>

#include <cstring>

namespace lamina::bench {
namespace {

ModelPtr dense() {
  constexpr std::int64_t kWidth = 4096;
  std::vector<LayerRef> stack{layers::InputLayer({.shape = Shape{kWidth}})};
  for (int i = 0; i < 32; ++i) {
    stack.emplace_back(
        layers::Dense({.units = kWidth, .use_bias = false, .kernel_initializer = "zeros"}));
  }
  return Sequential::create(std::move(stack));
}

ModelPtr efficientnet() {
  return applications::EfficientNetV2L();
}

ModelPtr many_small() {
  std::vector<LayerRef> stack{layers::InputLayer({.shape = Shape{4096}})};
  for (int i = 0; i < 10'000; ++i) stack.emplace_back(layers::LayerNormalization());
  return Sequential::create(std::move(stack));
}

}  // namespace

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases{
      {"dense", "2 GiB in 32 kernels of 64 MiB", {}, dense},
      {"sharded", "2 GiB in 32 kernels of 64 MiB, in shards of 256 MiB", 0.25, dense},
      {"efficientnetv2l", "EfficientNetV2L", {}, efficientnet},
      {"small", "20,000 variables of 16 KiB", {}, many_small}};
  return cases;
}

std::string file_name(const Case& which, const std::string& writer) {
  return which.name + "_" + writer + (which.max_shard_size ? ".weights.json" : ".weights.h5");
}

std::vector<Tensor> random_values(const Model& model) {
  std::uint64_t state = 88172645463325252u;
  std::vector<Tensor> values;
  for (const VariablePtr& variable : model.variables()) {
    Tensor value = Tensor::empty(variable->shape(), variable->dtype());
    const std::span<std::byte> bytes = value.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += sizeof state) {
      state ^= state << 13;  // xorshift64
      state ^= state >> 7;
      state ^= state << 17;
      const std::uint64_t word = state & 0x3fffffff3fffffffu;
      std::memcpy(&bytes[at], &word, std::min(sizeof word, bytes.size() - at));
    }
    values.push_back(std::move(value));
  }
  return values;
}

void assign(const Model& model, const std::vector<Tensor>& values) {
  const std::vector<VariablePtr> variables = model.variables();
  for (std::size_t i = 0; i < variables.size(); ++i) variables[i]->assign(values[i]);
}

std::uint64_t total_bytes(const Model& model) {
  std::uint64_t sum = 0;
  for (const VariablePtr& variable : model.variables()) sum += variable->nbytes();
  return sum;
}

}  // namespace lamina::bench
