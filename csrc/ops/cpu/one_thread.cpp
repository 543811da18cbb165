#include "ops/cpu/one_thread.h"

#include <algorithm>
#include <vector>

#include "ops/cpu/parallel.h"
#include "ops/op_info.h"

namespace lamina::ops::cpu {
namespace {

/// Of a product: some 3 us of one thread, as long as a second takes to come and go.
constexpr double kSmallFlops = 2 << 17;

}  // namespace

bool is_small(const OpSpec& spec) {
  std::vector<TensorSpec> all = input_specs(spec);
  all.push_back(output_spec(spec));
  return flops(spec) <= kSmallFlops && std::all_of(all.begin(), all.end(), [](const auto& each) {
           return each.shape.size() < kParallelElements;
         });
}

}  // namespace lamina::ops::cpu
