#include <cstddef>
#include <cstring>

#include "core/convert.h"
#include "kernels/element.h"
#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"
#include "ops/strides.h"

namespace lamina::ops::cpu {
namespace {

class ConcatKernel final : public Kernel {
 public:
  explicit ConcatKernel(const Concat& op) : outer_(blocks(op.y.shape, {op.axis})->outer) {
    std::size_t offset = 0;
    for (const TensorSpec& x : op.xs) {
      const std::size_t bytes = x.nbytes() / static_cast<std::size_t>(outer_);
      pieces_.push_back({offset, bytes});
      offset += bytes;
    }
    stride_ = offset;
  }
  void run(const KernelArgs& args) override {
    auto* y = static_cast<std::byte*>(args.outputs[0]);
    if (outer_ == 1) {
      for (std::size_t k = 0; k < pieces_.size(); ++k) {
        parallel_copy(args.inputs[k], y + pieces_[k].offset, pieces_[k].bytes);
      }
      return;
    }
    parallel_ranges(
        outer_, static_cast<std::int64_t>(stride_ / 4), [&](std::int64_t begin, std::int64_t end) {
          for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
            for (std::size_t k = 0; k < pieces_.size(); ++k) {
              const auto* x = static_cast<const std::byte*>(args.inputs[k]);
              std::memcpy(y + i * stride_ + pieces_[k].offset, x + i * pieces_[k].bytes,
                          pieces_[k].bytes);
            }
          }
        });
  }

 private:
  struct Piece {
    std::size_t offset, bytes;
  };
  std::int64_t outer_;
  std::vector<Piece> pieces_;
  std::size_t stride_ = 0;
};

/// Row by row along the last axis: a row of the output is padding, the row's content, padding.
class PadKernel final : public Kernel {
 public:
  explicit PadKernel(const Pad& op) : op_(op), strides_(row_major(op.x.shape)) {
    const std::size_t last = op.y.shape.rank() - 1;
    width_ = op.y.shape.dims()[last];
    rows_ = op.y.shape.size() / width_;
    begin_ = std::clamp<std::int64_t>(op.before[last], 0, width_);
    end_ = std::clamp<std::int64_t>(op.before[last] + op.x.shape.dims()[last], begin_, width_);
    skip_ = begin_ - op.before[last];
  }
  void run(const KernelArgs& args) override {
    dispatch(op_.y.dtype, [&]<class T>(T) {
      const auto* x = static_cast<const T*>(args.inputs[0]);
      auto* y = static_cast<T*>(args.outputs[0]);
      const T value = core::convert<double, T>(op_.value);
      parallel_ranges(rows_, width_, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          fill_row(x, y + i * width_, value, source_row(i));
      });
    });
  }

 private:
  template <class T>
  void fill_row(const T* x, T* y, T value, std::int64_t source) const {
    if (source < 0) {
      std::fill_n(y, width_, value);
      return;
    }
    std::fill_n(y, begin_, value);
    std::copy_n(x + source + skip_, end_ - begin_, y + begin_);
    std::fill_n(y + end_, width_ - end_, value);
  }
  /// Where the input's row under row `i` of the output begins; -1 when there is none.
  [[nodiscard]] std::int64_t source_row(std::int64_t i) const {
    std::int64_t offset = 0;
    for (std::size_t axis = op_.y.shape.rank() - 1; axis-- > 0;) {
      const std::int64_t at = i % op_.y.shape.dims()[axis] - op_.before[axis];
      i /= op_.y.shape.dims()[axis];
      if (at < 0 || at >= op_.x.shape.dims()[axis]) return -1;
      offset += at * strides_[axis];
    }
    return offset;
  }

  Pad op_;
  Strides strides_;
  std::int64_t width_ = 0, rows_ = 0, begin_ = 0, end_ = 0, skip_ = 0;
};

class TransposeKernel final : public Kernel {
 public:
  explicit TransposeKernel(const Transpose& op) : op_(op) {
    const Strides own = row_major(op.x.shape);
    for (const std::size_t axis : op.perm) strides_.push_back(own[axis]);
  }
  void run(const KernelArgs& args) override {
    const std::vector<std::int64_t>& dims = op_.y.shape.dims();
    const std::int64_t width = dims.back();
    const std::int64_t step = strides_.back();
    kernels::dispatch_bytes(dtype_size(op_.y.dtype), [&]<class T>(T) {
      const auto* x = static_cast<const T*>(args.inputs[0]);
      auto* y = static_cast<T*>(args.outputs[0]);
      parallel_ranges(op_.y.shape.size() / width, width, [&](std::int64_t begin, std::int64_t end) {
        SourceRows rows(dims, strides_, begin);
        for (std::int64_t i = begin; i < end; ++i, rows.next()) {
          const T* from = x + rows.offset();
          T* to = y + i * width;
          if (step == 1) {
            std::copy_n(from, width, to);
          } else {
            for (std::int64_t k = 0; k < width; ++k) to[k] = from[k * step];
          }
        }
      });
    });
  }

 private:
  /// Where row after row of the output begins in the input, from row `first` on, without a division
  /// for each.
  class SourceRows {
   public:
    SourceRows(const std::vector<std::int64_t>& dims, const Strides& strides, std::int64_t first)
        : dims_(dims), strides_(strides), index_(dims.size() - 1) {
      for (std::size_t axis = index_.size(); axis-- > 0;) {
        index_[axis] = first % dims[axis];
        offset_ += index_[axis] * strides[axis];
        first /= dims[axis];
      }
    }
    [[nodiscard]] std::int64_t offset() const { return offset_; }
    void next() {
      for (std::size_t axis = index_.size(); axis-- > 0;) {
        offset_ += strides_[axis];
        if (++index_[axis] < dims_[axis]) return;
        offset_ -= dims_[axis] * strides_[axis];
        index_[axis] = 0;
      }
    }

   private:
    const std::vector<std::int64_t>& dims_;
    const Strides& strides_;
    std::vector<std::int64_t> index_;
    std::int64_t offset_ = 0;
  };

  Transpose op_;
  Strides strides_;
};

class ReshapeKernel final : public Kernel {
 public:
  explicit ReshapeKernel(const Reshape& op) : bytes_(op.y.nbytes()) {}
  [[nodiscard]] bool can_run_in_place(std::size_t index) const override { return index == 0; }
  void run(const KernelArgs& args) override {
    if (args.inputs[0] != args.outputs[0]) parallel_copy(args.inputs[0], args.outputs[0], bytes_);
  }

 private:
  std::size_t bytes_;
};

class CastKernel final : public Kernel {
 public:
  explicit CastKernel(const Cast& op) : op_(op) {}
  void run(const KernelArgs& args) override {
    dispatch(op_.x.dtype, [&]<class From>(From) {
      dispatch(op_.y.dtype, [&]<class To>(To) {
        const auto* x = static_cast<const From*>(args.inputs[0]);
        auto* y = static_cast<To*>(args.outputs[0]);
        parallel_ranges(op_.y.shape.size(), 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) y[i] = core::convert<From, To>(x[i]);
        });
      });
    });
  }

 private:
  Cast op_;
};

}  // namespace

KernelPtr make_concat(const Concat& op) {
  return std::make_unique<ConcatKernel>(op);
}
KernelPtr make_pad(const Pad& op) {
  return op.y.shape.rank() == 0 ? nullptr : std::make_unique<PadKernel>(op);
}
KernelPtr make_transpose(const Transpose& op) {
  return op.y.shape.rank() == 0 ? nullptr : std::make_unique<TransposeKernel>(op);
}
KernelPtr make_reshape(const Reshape& op) {
  return std::make_unique<ReshapeKernel>(op);
}
KernelPtr make_cast(const Cast& op) {
  return std::make_unique<CastKernel>(op);
}

}  // namespace lamina::ops::cpu
