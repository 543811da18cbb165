#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/strides.h"

namespace lamina::ops::cpu {
namespace {

/// A dimension of the output and the steps that it takes in each operand (0: repeated).
struct Axis {
  std::int64_t size, step0, step1;
};

/// The output's dimensions, neighbours merged wherever both operands step through them evenly.
std::vector<Axis> merged_axes(const BinaryOp& op) {
  const Strides strides0 = broadcast_strides(op.x0.shape, op.y.shape);
  const Strides strides1 = broadcast_strides(op.x1.shape, op.y.shape);
  std::vector<Axis> axes;
  for (std::size_t i = 0; i < op.y.shape.rank(); ++i) {
    const Axis axis{op.y.shape.dims()[i], strides0[i], strides1[i]};
    if (axis.size == 1) continue;
    const bool joins = !axes.empty() && axes.back().step0 == axis.step0 * axis.size &&
                       axes.back().step1 == axis.step1 * axis.size;
    if (joins) {
      axes.back() = {axes.back().size * axis.size, axis.step0, axis.step1};
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 1, 1});
  return axes;
}

/// One innermost row; each case is a loop that the compiler vectorises.
template <class F>
void row(const F& f, const Axis& axis, const float* x0, const float* x1, float* y,
         std::int64_t size) {
  if (axis.step0 != 0 && axis.step1 != 0) {
    for (std::int64_t i = 0; i < size; ++i) y[i] = f(x0[i], x1[i]);
  } else if (axis.step0 != 0) {
    const float constant = *x1;
    for (std::int64_t i = 0; i < size; ++i) y[i] = f(x0[i], constant);
  } else {
    const float constant = *x0;
    for (std::int64_t i = 0; i < size; ++i) y[i] = f(constant, x1[i]);
  }
}

/// The output's innermost rows, and where each begins in the operands.
class Rows {
 public:
  explicit Rows(const BinaryOp& op) : outer_(merged_axes(op)), inner_(outer_.back()) {
    outer_.pop_back();
    for (const Axis& axis : outer_) rows_ *= axis.size;
  }
  [[nodiscard]] const Axis& inner() const { return inner_; }

  /// Calls f(offset in operand 0, in operand 1, in the output, elements), from several threads.
  template <class F>
  void for_each(const F& f) const {
    if (rows_ == 1) {
      parallel_ranges(inner_.size, 1, [&](std::int64_t begin, std::int64_t end) {
        f(begin * inner_.step0, begin * inner_.step1, begin, end - begin);
      });
      return;
    }
    parallel_ranges(rows_, inner_.size, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto [at0, at1] = offsets(i);
        f(at0, at1, i * inner_.size, inner_.size);
      }
    });
  }

 private:
  /// Where row `i` of the output begins in each operand.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> offsets(std::int64_t i) const {
    std::pair<std::int64_t, std::int64_t> at{0, 0};
    for (std::size_t k = outer_.size(); k-- > 0;) {
      const std::int64_t index = i % outer_[k].size;
      i /= outer_[k].size;
      at.first += index * outer_[k].step0;
      at.second += index * outer_[k].step1;
    }
    return at;
  }

  std::vector<Axis> outer_;
  Axis inner_;
  std::int64_t rows_ = 1;
};

class BinaryKernel final : public Kernel {
 public:
  explicit BinaryKernel(const BinaryOp& op) : op_(op), rows_(op) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    return (index == 0 ? op_.x0 : op_.x1) == op_.y;
  }
  void run(const KernelArgs& args) override {
    with_binary(op_.kind, [&](auto op) {
      if (op_.activation.kind == Unary::kLinear) {
        run_with(args, op);
      } else {
        with_unary<float>(op_.activation, [&](auto act) {
          run_with(args, [=](float a, float b) { return act(op(a, b)); });
        });
      }
    });
  }

 private:
  template <class F>
  void run_with(const KernelArgs& args, const F& f) const {
    const auto* x0 = static_cast<const float*>(args.inputs[0]);
    const auto* x1 = static_cast<const float*>(args.inputs[1]);
    auto* y = static_cast<float*>(args.outputs[0]);
    rows_.for_each([&](std::int64_t at0, std::int64_t at1, std::int64_t at, std::int64_t size) {
      row(f, rows_.inner(), x0 + at0, x1 + at1, y + at, size);
    });
  }

  BinaryOp op_;
  Rows rows_;
};

class BinaryGradientKernel final : public Kernel {
 public:
  explicit BinaryGradientKernel(const BinaryGradient& op) : op_(op), rows_(op.of) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override {
    return index == 2 || (index == 0 ? op_.of.x0 : op_.of.x1) == op_.y;
  }
  void run(const KernelArgs& args) override {
    with_binary(op_.of.kind, [&](auto f) {
      if (op_.operand == 0) {
        run_with(args, [=](float a, float b, float d) { return f.gradient0(a, b, d); });
      } else {
        run_with(args, [=](float a, float b, float d) { return f.gradient1(a, b, d); });
      }
    });
  }

 private:
  template <class F>
  void run_with(const KernelArgs& args, const F& f) const {
    const auto* x0 = static_cast<const float*>(args.inputs[0]);
    const auto* x1 = static_cast<const float*>(args.inputs[1]);
    const auto* dy = static_cast<const float*>(args.inputs[2]);
    auto* dx = static_cast<float*>(args.outputs[0]);
    const std::int64_t step0 = rows_.inner().step0, step1 = rows_.inner().step1;
    rows_.for_each([&](std::int64_t at0, std::int64_t at1, std::int64_t at, std::int64_t size) {
      const float *a = x0 + at0, *b = x1 + at1, *d = dy + at;
      float* to = dx + at;
      if (step0 != 0 && step1 != 0) {
        for (std::int64_t i = 0; i < size; ++i) to[i] = f(a[i], b[i], d[i]);
      } else {
        for (std::int64_t i = 0; i < size; ++i) to[i] = f(a[i * step0], b[i * step1], d[i]);
      }
    });
  }

  BinaryGradient op_;
  Rows rows_;
};

}  // namespace

KernelPtr make_binary(const BinaryOp& op) {
  return std::make_unique<BinaryKernel>(op);
}
KernelPtr make_binary_gradient(const BinaryGradient& op) {
  return std::make_unique<BinaryGradientKernel>(op);
}

}  // namespace lamina::ops::cpu
