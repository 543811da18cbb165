#include <algorithm>

#include "ops/cuda/tuner.h"

namespace lamina::ops::cuda {
namespace {

struct OperandBytes {
  std::size_t first = 0, second = 0, bias = 0, result = 0;
};

std::size_t bytes(std::int64_t elements, DType dtype) {
  return static_cast<std::size_t>(elements) * dtype_size(dtype);
}

OperandBytes operands(const LibraryConvolution& op) {
  using Direction = LibraryConvolution::Direction;
  const std::int64_t taps = op.kernel[0] * op.kernel[1];
  const std::size_t x = bytes(op.x.size(), op.dtype), y = bytes(op.y.size(), op.dtype);
  const std::size_t kernel = bytes(op.y[3] * taps * (op.x[3] / op.groups), op.dtype);
  switch (op.direction) {
    case Direction::kInput:
      return {y, kernel, 0, x};
    case Direction::kKernel:
      return {x, y, 0, kernel};
    case Direction::kForward:
      break;
  }
  return {x, kernel, op.bias ? bytes(op.y[3], op.dtype) : 0, y};
}

OperandBytes operands(const LibraryProduct& op) {
  return {bytes(op.matrices * op.rows * op.depth, op.dtype),
          bytes(op.matrices * op.depth * op.columns, op.dtype),
          op.bias ? bytes(op.columns, op.dtype) : 0,
          bytes(op.matrices * op.rows * op.columns, op.result())};
}

OperandBytes operands(const LibraryNorm& op) {
  const std::size_t x = bytes(op.rows * op.width, op.dtype);
  const std::size_t parameter = bytes(op.width, DType::kFloat32);
  return {x, parameter, parameter, x};
}

/// What the operands hold does not matter: no engine's speed depends on it.
class OperationTimer {
 public:
  OperationTimer(std::shared_ptr<runtime::DeviceContext> context, const OperandBytes& bytes)
      : context_(std::move(context)),
        first_(runtime().allocate(bytes.first)),
        second_(runtime().allocate(bytes.second)),
        bias_(runtime().allocate(bytes.bias)),
        result_(runtime().allocate(bytes.result)),
        began_(runtime().make_event()),
        ended_(runtime().make_event()),
        stream_(runtime().make_stream()) {}

  [[nodiscard]] double seconds_of(LibraryPlan& plan) {
    const auto workspace = runtime().allocate(plan.workspace_bytes());
    const LibraryArgs args{first_->address(), second_->address(), bias_->address(),
                           result_->address(), workspace->address()};
    try {
      (void)run(plan, args, 1);  // the first loads what it needs
      const double once = run(plan, args, 1);
      const int times = std::clamp(static_cast<int>(kRound / std::max(once, 1e-7)), 1, kMostRuns);
      double best = once;
      for (int round = 0; round < kRounds; ++round) best = std::min(best, run(plan, args, times));
      return best;
    } catch (...) {
      settle();
      throw;
    }
  }

 private:
  static constexpr int kRounds = 3, kMostRuns = 50;
  static constexpr double kRound = 2e-3;  ///< seconds, about

  [[nodiscard]] runtime::Runtime& runtime() const { return context_->runtime(); }
  [[nodiscard]] double run(LibraryPlan& plan, const LibraryArgs& args, int times) {
    stream_->record(*began_);
    for (int i = 0; i < times; ++i) plan.run(*stream_, args);
    stream_->record(*ended_);
    ended_->wait();
    return ended_->seconds_since(*began_) / times;
  }
  /// Memory goes when no work on it is pending. A stream that failed goes on with a new one.
  void settle() {
    try {
      stream_->synchronize();
    } catch (const std::exception&) {
      stream_ = runtime().make_stream();
    }
  }

  std::shared_ptr<runtime::DeviceContext> context_;
  std::unique_ptr<runtime::DeviceMemory> first_, second_, bias_, result_;
  std::unique_ptr<runtime::Event> began_, ended_;
  std::unique_ptr<runtime::Stream> stream_;
};

}  // namespace

Tuner::MakeTimer timer_on(std::shared_ptr<runtime::DeviceContext> context) {
  return [context = std::move(context)](const LibraryOp& op) -> PlanTimer {
    const auto bytes = std::visit([](const auto& each) { return operands(each); }, op);
    const auto timer = std::make_shared<OperationTimer>(context, bytes);
    return [timer](LibraryPlan& plan) { return timer->seconds_of(plan); };
  };
}

}  // namespace lamina::ops::cuda
