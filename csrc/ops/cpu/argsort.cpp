#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/sorting.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"

namespace lamina::ops::cpu {
namespace {

/// A line at a time: keys and places, of which no two are alike.
class ArgsortKernel final : public Kernel {
 public:
  explicit ArgsortKernel(const Argsort& op)
      : op_(op), size_(op.x.shape[-1]), lines_(op.x.shape.size() / size_) {}
  void run(const KernelArgs& args) override {
    const auto steps = static_cast<std::int64_t>(std::log2(static_cast<double>(size_))) + 1;
    dispatch(op_.x.dtype, [&]<class T>(T) {
      const auto* x = static_cast<const T*>(args.inputs[0]);
      auto* y = static_cast<std::int32_t*>(args.outputs[0]);
      parallel_ranges(lines_, size_ * steps, [&](std::int64_t begin, std::int64_t end) {
        std::vector<std::pair<std::int64_t, std::int32_t>> line(static_cast<std::size_t>(size_));
        for (std::int64_t i = begin; i < end; ++i) sort(x + i * size_, y + i * size_, line);
      });
    });
  }

 private:
  template <class T>
  void sort(const T* x, std::int32_t* y,
            std::vector<std::pair<std::int64_t, std::int32_t>>& line) const {
    for (std::size_t k = 0; k < line.size(); ++k) {
      const std::int64_t key = kernels::sort_key(x[k], op_.descending);
      line[k] = {op_.descending ? ~key : key, static_cast<std::int32_t>(k)};
    }
    std::sort(line.begin(), line.end());
    for (std::size_t k = 0; k < line.size(); ++k) y[k] = line[k].second;
  }

  Argsort op_;
  std::int64_t size_, lines_;
};

}  // namespace

KernelPtr make_argsort(const Argsort& op) {
  return std::make_unique<ArgsortKernel>(op);
}

}  // namespace lamina::ops::cpu
