// What moves the elements of planes: blocks, quarter turns, diagonals.
#include <algorithm>
#include <numeric>

#include "layers/data_format.h"
#include "layers/operations/operations.h"
#include "layers/operations/parts.h"
#include "layers/operations/promotion.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// DepthToSpace and SpaceToDepth.
class Blocks final : public Operation {
 public:
  Blocks(OperationForm form, bool to_space)
      : Operation(std::move(form), Operands::kTensor, {"block_size", "data_format"}),
        to_space_(to_space),
        size_(integer("block_size", 0)) {
    const nlohmann::json& format = option("data_format");
    if (!format.is_null() && !format.is_string()) unsupported("option 'data_format'");
    if (format.is_string()) {
      try {
        check_data_format(format.get<std::string>());
      } catch (const ValueError& error) {
        fail(error.what());
      }
      channels_first_ = format.get<std::string>() == kChannelsFirst;
    }
    if (size_ < 2) {
      fail("`block_size` must be at least 2. Received: block_size=" + std::to_string(size_));
    }
    if (size_ > kMostSize) unsupported("a `block_size` that large");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (x.at(0).rank() != 4) {
      fail(std::string(to_space_ ? "`depth_to_space`" : "`space_to_depth`") +
           " requires a 4D input tensor. Received: x.shape=" + x[0].str());
    }
    Shape out = x[0];
    std::int64_t& channels = out[channels_axis()];
    if (to_space_) {
      if (channels != kNone && channels % (size_ * size_) != 0) {
        fail("The number of channels (" + std::to_string(channels) +
             ") must be divisible by block_size**2 (" + std::to_string(size_ * size_) + ").");
      }
      if (channels != kNone) channels /= size_ * size_;
    } else {
      channels = times(channels, size_ * size_);
    }
    for (const std::int64_t axis : {rows_axis(), rows_axis() + 1}) {
      std::int64_t& dim = out[axis];
      if (to_space_) {
        dim = times(dim, size_);
        continue;
      }
      if (dim != kNone && dim % size_ != 0) {
        fail(std::string(axis == rows_axis() ? "Height (" : "Width (") + std::to_string(dim) +
             ") must be divisible by block_size (" + std::to_string(size_) + ").");
      }
      if (dim != kNone) dim /= size_;
    }
    return out;
  }
  /// Axes of the two sizes of a block beside those of the channels, or of rows and columns.
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape in = builder.shape(x[0]), out = result(builder, x).shape;
    const Shape& small = to_space_ ? in : out;  // of rows and columns
    const std::int64_t batch = in[0], rows = small[rows_axis()], columns = small[rows_axis() + 1],
                       channels = (to_space_ ? out : in)[channels_axis()], b = size_;
    const Shape within = channels_first_ ? Shape{batch, channels, b, b, rows, columns}
                                         : Shape{batch, rows, columns, b, b, channels},
                spread = channels_first_ ? Shape{batch, channels, rows, b, columns, b}
                                         : Shape{batch, rows, b, columns, b, channels};
    std::vector<std::size_t> order{0, 1, 3, 2, 4, 5};  // which is its own inverse
    if (channels_first_) {
      order = to_space_ ? std::vector<std::size_t>{0, 1, 4, 2, 5, 3}
                        : std::vector<std::size_t>{0, 1, 3, 5, 2, 4};
    }
    const ValueId y = builder.reshape(x[0], to_space_ ? within : spread);
    return builder.reshape(builder.transpose(y, std::move(order)), out);
  }

 private:
  static constexpr std::int64_t kMostSize = std::int64_t{1} << 20;

  [[nodiscard]] std::int64_t channels_axis() const { return channels_first_ ? 1 : 3; }
  [[nodiscard]] std::int64_t rows_axis() const { return channels_first_ ? 2 : 1; }

  bool to_space_, channels_first_ = false;
  std::int64_t size_;
};

/// A turn exchanges the axes and reverses the one that was the first, or behind it the second.
class Rot90 final : public Operation {
 public:
  explicit Rot90(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"k", "axes"}),
        axes_(integers("axes").value_or(std::vector<std::int64_t>{0, 1})),
        turns_((integer("k", 1) % 4 + 4) % 4) {}

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    if (x.at(0).rank() < 2) {
      fail("Input array must have at least 2 dimensions. Received: array.shape=" + x[0].str());
    }
    const auto [first, second] = plane(x[0].rank());
    std::vector<std::int64_t> dims = x[0].dims();
    if (turns_ % 2 == 1) std::swap(dims[first], dims[second]);
    return Shape(std::move(dims));
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const std::size_t rank = builder.shape(x[0]).rank();
    const auto [first, second] = plane(rank);
    ValueId y = x[0];
    // The last quarter is a turn of the half that stands on its head.
    if (turns_ >= 2) y = flipped(builder, flipped(builder, y, first), second);
    if (turns_ % 2 == 0) return y;
    std::vector<std::size_t> exchange(rank);
    std::iota(exchange.begin(), exchange.end(), std::size_t{0});
    std::swap(exchange[first], exchange[second]);
    return flipped(builder, builder.transpose(y, std::move(exchange)), first);
  }

 private:
  [[nodiscard]] std::pair<std::size_t, std::size_t> plane(std::size_t rank) const {
    const bool two = axes_.size() == 2;
    const std::size_t first = two ? axis_index(axes_[0], rank) : 0,
                      second = two ? axis_index(axes_[1], rank) : 0;
    if (first == second) {
      fail("Invalid axes: " + nlohmann::json(axes_).dump() +
           ". Axes must be a tuple of two different dimensions.");
    }
    return {first, second};
  }

  std::vector<std::int64_t> axes_;
  std::int64_t turns_;
};

/// Of a plane the diagonal that begins at a row and a column, of which one is 0: so many elements,
/// as far as that is known.
struct Line {
  std::int64_t row, column, count;
  Line(std::int64_t rows, std::int64_t columns, std::int64_t offset)
      : row(offset < 0 ? -offset : 0), column(offset > 0 ? offset : 0), count(kNone) {
    if (rows == kNone || columns == kNone) return;
    count = std::max<std::int64_t>(0, std::min(rows - row, columns - column));
  }
};

/// The elements of a line of planes (..., rows, columns), as their last axis: of the plane in a row
/// every so many elements one.
ValueId elements_of(Builder& builder, ValueId planes, std::int64_t offset) {
  std::vector<std::int64_t> dims = builder.shape(planes).dims();
  const std::int64_t columns = dims.back(), rows = dims[dims.size() - 2];
  const Line line(rows, columns, offset);
  dims.pop_back();
  const std::size_t last = dims.size() - 1;
  dims[last] = rows * columns;
  ValueId y = builder.reshape(planes, Shape(dims));
  const std::int64_t begin = line.count == 0 ? 0 : line.row * columns + line.column;
  y = cropped(builder, y, last, begin, line.count * (columns + 1));
  dims[last] = line.count;
  dims.push_back(columns + 1);
  y = cropped(builder, builder.reshape(y, Shape(dims)), last + 1, 0, 1);
  dims.pop_back();
  return builder.reshape(y, Shape(std::move(dims)));
}

/// Diagonal and Trace: of the planes of two axes.
class Diagonal final : public Operation {
 public:
  Diagonal(OperationForm form, bool summed)
      : Operation(std::move(form), Operands::kTensor, {"offset", "axis1", "axis2"}),
        summed_(summed),
        offset_(integer("offset", 0)) {
    for (const char* key : {"axis1", "axis2"}) (void)integer(key, 0);
    if (offset_ < -kMostOffset || offset_ > kMostOffset) unsupported("an `offset` that large");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const auto [first, second] = plane(x.at(0));
    Shape out = others(x[0]);
    const Line line(x[0].dims()[first], x[0].dims()[second], offset_);
    if (!summed_) out.push_back(line.count);
    return out;
  }
  [[nodiscard]] DType dtype(const DTypes& x) const override {
    return summed_ ? dtype_of_sum(x.at(0)) : x.at(0);
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const ops::TensorSpec to = result(builder, x);
    const Shape in = builder.shape(x[0]);
    const auto [first, second] = plane(in);
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < in.rank(); ++i) {
      if (i != first && i != second) order.push_back(i);
    }
    order.insert(order.end(), {first, second});
    ValueId y = elements_of(builder, builder.transpose(x[0], std::move(order)), offset_);
    y = builder.cast(y, to.dtype);
    return summed_ ? builder.sum(y, {in.rank() - 2}, to.shape) : y;
  }

 private:
  static constexpr std::int64_t kMostOffset = std::int64_t{1} << 40;

  [[nodiscard]] std::pair<std::size_t, std::size_t> plane(const Shape& x) const {
    if (x.rank() < 2) {
      fail("`" + std::string(summed_ ? "trace" : "diagonal") +
           "` requires an array of at least two dimensions, but `x` is of shape " + x.str() + ".");
    }
    const std::int64_t axis1 = integer("axis1", 0), axis2 = integer("axis2", 1);
    const std::size_t first = axis_index(axis1, x.rank()), second = axis_index(axis2, x.rank());
    if (first == second) {
      fail("`axis1` and `axis2` cannot be the same. Received: axis1=" + std::to_string(axis1) +
           ", axis2=" + std::to_string(axis2));
    }
    return {first, second};
  }
  [[nodiscard]] Shape others(const Shape& x) const {
    const auto [first, second] = plane(x);
    Shape out;
    for (std::size_t i = 0; i < x.rank(); ++i) {
      if (i != first && i != second) out.push_back(x.dims()[i]);
    }
    return out;
  }

  bool summed_;
  std::int64_t offset_;
};

/// A matrix's diagonal, or the matrix of a diagonal.
class Diag final : public Operation {
 public:
  explicit Diag(OperationForm form)
      : Operation(std::move(form), Operands::kTensor, {"k"}), k_(integer("k", 0)) {
    if (k_ < -kMost || k_ > kMost) unsupported("a `k` that large");
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    const Shape& in = x.at(0);
    if (in.rank() != 1 && in.rank() != 2) {
      fail("`x` must be 1-D or 2-D, but received shape " + in.str() + ".");
    }
    if (in.rank() == 2) return {Line(in[0], in[1], k_).count};
    const std::int64_t size = in[0] == kNone ? kNone : in[0] + std::abs(k_);
    (void)times(size, size + 1);
    return {size, size};
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape in = builder.shape(x[0]), out = result(builder, x).shape;
    if (in.rank() == 2) return elements_of(builder, x[0], k_);
    // Each with so many 0 behind it that the next one is a column further in the next row.
    const std::int64_t n = in[0];
    ValueId y = cropped(builder, builder.reshape(x[0], {n, 1}), 1, 0, n + 1);
    y = builder.reshape(cropped(builder, builder.reshape(y, {n * (n + 1)}), 0, 0, n * n), {n, n});
    const Line line(out[0], out[1], k_);
    return cropped(builder, cropped(builder, y, 0, -line.row, out[0]), 1, -line.column, out[1]);
  }

 private:
  static constexpr std::int64_t kMost = std::int64_t{1} << 20;

  std::int64_t k_;
};

}  // namespace

OperationRows plane_operations() {
  return {operation_row<Blocks>("DepthToSpace", kNeuralOps, true),
          operation_row<Blocks>("SpaceToDepth", kNeuralOps, false),
          operation_row<Rot90>("Rot90", kNumpyOps),
          operation_row<Diagonal>("Diagonal", kNumpyOps, false),
          operation_row<Diagonal>("Trace", kNumpyOps, true),
          operation_row<Diag>("Diag", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {

using layers::call_operation;

SymbolicTensor depth_to_space(const SymbolicTensor& x, std::int64_t block_size,
                              const std::string& data_format) {
  return call_operation("DepthToSpace", x,
                        {{"block_size", block_size}, {"data_format", data_format}});
}
SymbolicTensor space_to_depth(const SymbolicTensor& x, std::int64_t block_size,
                              const std::string& data_format) {
  return call_operation("SpaceToDepth", x,
                        {{"block_size", block_size}, {"data_format", data_format}});
}
SymbolicTensor rot90(const SymbolicTensor& array, std::int64_t k, const layers::Axes& axes) {
  return call_operation("Rot90", array, {{"k", k}, {"axes", axes.values}});
}
SymbolicTensor diagonal(const SymbolicTensor& x, std::int64_t offset, std::int64_t axis1,
                        std::int64_t axis2) {
  return call_operation("Diagonal", x, {{"offset", offset}, {"axis1", axis1}, {"axis2", axis2}});
}
SymbolicTensor trace(const SymbolicTensor& x, std::int64_t offset, std::int64_t axis1,
                     std::int64_t axis2) {
  return call_operation("Trace", x, {{"offset", offset}, {"axis1", axis1}, {"axis2", axis2}});
}
SymbolicTensor diag(const SymbolicTensor& x, std::int64_t k) {
  return call_operation("Diag", x, {{"k", k}});
}

}  // namespace lamina::ops
