#include "asked.h"

#include <lamina/applications.h>

#include "graph/passes/passes.h"
#include "models/run/lowering.h"
#include "ops/cuda/cuda_backend.h"
#include "ops/cuda/library_convolution.h"
#include "tests/fakes/fake_gpu.h"

namespace lamina::ops::cuda {
namespace {

/// Notes what it is asked for, and has nothing.
class Noting final : public Engine {
 public:
  void launch(runtime::Stream&, const kernels::Job&) override {}
  [[nodiscard]] std::shared_ptr<LibraryPlan> plan(const LibraryOp& op) override {
    asked.emplace(describe(op), op);
    return nullptr;
  }
  Asked asked;
};

}  // namespace

Shape images_of(const Model& application, std::int64_t batch) {
  const Shape shape = application.inputs()[0].shape();
  const auto size = [&](int axis) { return shape[axis] == kNone ? 224 : shape[axis]; };
  return {batch, size(1), size(2), shape[3]};
}

Asked asked_by_applications(std::int64_t batch) {
  const lamina::testing::FakeGpu gpu;
  const auto engine = std::make_shared<Noting>();
  CudaBackend backend(runtime::devices().get(Device::cuda()), engine);
  for (const std::string_view name : applications::names()) {
    const ModelPtr model = applications::by_name(name);
    const Shape image = images_of(*model, batch);
    const graph::Program program =
        graph::optimize(models::lower_model(*model, {TensorSpec{image, DType::kFloat32}}));
    for (const graph::Op& op : program.ops) (void)backend.make(op.spec);
  }
  return engine->asked;
}

Asked edge_cases() {
  Asked out;
  const auto add = [&](const LibraryOp& op) { out.emplace(describe(op), op); };
  const auto convolution = [&](Shape x, std::int64_t filters, Pair kernel, Pair strides,
                               Pair before, Pair after, Pair dilation, std::int64_t groups) {
    Conv2D op{.x = {x},
              .y = {{x[0], 0, 0, filters}},
              .kernel = kernel,
              .strides = strides,
              .dilation = dilation,
              .pad_before = before,
              .pad_after = after,
              .groups = groups};
    for (int i = 0; i < 2; ++i) {
      const std::int64_t extent = (kernel[i] - 1) * dilation[i] + 1;
      op.y.shape[i + 1] = (x[i + 1] + before[i] + after[i] - extent) / strides[i] + 1;
    }
    add(library_op(op));
  };
  const Pair one{1, 1}, two{2, 2}, three{3, 3}, none{0, 0};
  convolution({2, 17, 23, 13}, 7, {1, 1}, one, none, none, one, 1);
  convolution({2, 17, 23, 16}, 32, three, one, one, one, one, 4);
  convolution({2, 17, 23, 24}, 24, three, one, one, one, one, 24);
  convolution({2, 17, 23, 24}, 48, three, one, one, one, one, 24);
  convolution({1, 32, 32, 16}, 16, three, one, two, two, two, 1);
  convolution({1, 32, 32, 16}, 16, three, two, none, one, one, 1);
  convolution({1, 32, 32, 16}, 16, {5, 5}, two, one, two, one, 16);
  convolution({1, 31, 29, 3}, 8, {7, 7}, two, three, three, one, 1);
  convolution({3, 9, 9, 5}, 3, {2, 4}, {3, 1}, none, none, one, 1);
  convolution({1, 8, 8, 1}, 1, three, one, one, one, one, 1);
  for (const auto& [rows, width] : {std::pair{512, 768}, {100, 13}, {3, 504}, {1, 1}}) {
    add(LibraryNorm{.rows = rows, .width = width});
  }
  return out;
}

LibraryOp with(LibraryOp op, DType dtype) {
  if (auto* convolution = std::get_if<LibraryConvolution>(&op)) convolution->dtype = dtype;
  if (auto* product = std::get_if<LibraryProduct>(&op)) product->dtype = dtype;
  if (auto* norm = std::get_if<LibraryNorm>(&op)) norm->dtype = dtype;
  return op;
}

LibraryConvolution with(LibraryConvolution op, LibraryConvolution::Direction direction) {
  op.direction = direction;
  op.bias = false;
  op.activation = {};
  return op;
}

}  // namespace lamina::ops::cuda
