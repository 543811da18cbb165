#include "tests/graph/random_program.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "graph/builder.h"
#include "tests/graph/program_testing.h"

namespace lamina::graph::testkit {
namespace {

using Dims = std::vector<std::int64_t>;

class Generator {
 public:
  Generator(DType dtype, std::mt19937_64& rng) : builder_(program_), dtype_(dtype), rng_(rng) {}

  Program make(std::size_t ops) {
    const std::int64_t inputs = integer(1, 3);
    for (std::int64_t i = 0; i < inputs; ++i) add_input();
    while (program_.ops.size() < ops) {
      builder_.set_layer("layer_" + std::to_string(program_.ops.size()));
      grow(pick());
    }
    const std::int64_t outputs = integer(1, 3);
    for (std::int64_t i = 0; i < outputs; ++i) {
      program_.outputs.push_back(chance(0.8) ? pick()
                                             : integer<ValueId>(0, program_.values.size() - 1));
    }
    return std::move(program_);
  }

 private:
  template <class T = std::int64_t>
  T integer(std::type_identity_t<T> low, std::type_identity_t<T> high) {
    return std::uniform_int_distribution<T>(low, high)(rng_);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(rng_); }

  /// Mostly recent values, so that chains grow.
  ValueId pick() {
    const ValueId last = program_.values.size() - 1;
    const ValueId back = chance(0.7) ? integer<ValueId>(0, 1) : integer<ValueId>(0, last);
    return last - std::min(back, last);
  }

  Dims dims(ValueId x) { return builder_.shape(x).dims(); }
  std::size_t rank(ValueId x) { return builder_.shape(x).rank(); }
  ops::TensorSpec like(Dims dims) { return {Shape(std::move(dims)), dtype_}; }
  Param param(Dims dims, double low = -1, double high = 1) {
    return random_param(Shape(std::move(dims)), dtype_, rng_, low, high);
  }

  void add_input() {
    Dims shape{integer(1, 2), integer(1, 6), integer(1, 6), integer(1, 5)};
    if (chance(0.2)) shape = {integer(1, 3), integer(1, 6)};
    program_.inputs.push_back(program_.add_value(like(shape)));
  }

  ops::Activation activation() {
    using ops::Unary;
    switch (integer(0, 7)) {
      case 0:
        return ops::relu(0.1, 0.9);
      case 1:
        return {Unary::kSilu};
      case 2:
        return {Unary::kGelu};
      case 3:
        return {Unary::kTanh};
      case 4:
        return {Unary::kElu, 0.7};
      case 5:
        return {Unary::kScaleShift, 0.8, 0.1};
      case 6:
        return {Unary::kHardSigmoid};
      default:
        return {};
    }
  }

  ValueId unary(ValueId x) {
    return builder_.emit(ops::UnaryOp{builder_.spec(x), builder_.spec(x), activation()}, {x});
  }

  ValueId norm(ValueId x) {
    const std::size_t axis = chance(0.8) ? rank(x) - 1 : integer<std::size_t>(0, rank(x) - 1);
    const std::int64_t size = dims(x)[axis];
    ops::BatchNorm op{builder_.spec(x),
                      builder_.spec(x),
                      axis,
                      1e-3,
                      chance(0.7),
                      chance(0.7),
                      chance(0.2) ? activation() : ops::Activation{}};
    std::vector<Param> params;
    if (op.scale) params.push_back(param({size}));
    if (op.center) params.push_back(param({size}));
    params.push_back(param({size}));
    params.push_back(param({size}, 0.3, 2));
    return builder_.emit(op, {x}, std::move(params));
  }

  std::vector<Param> kernel_and_bias(Dims kernel, std::int64_t features, bool bias) {
    std::vector<Param> params{param(std::move(kernel), -0.4, 0.4)};
    if (bias) params.push_back(param({features}));
    return params;
  }

  ValueId conv(ValueId x) {
    ops::Conv2D op;
    op.x = builder_.spec(x);
    const Dims in = dims(x);
    const std::int64_t channels = in[3];
    Dims out = in;
    const bool same = chance(0.5);
    op.groups = chance(0.3) ? channels : 1;
    out[3] = same ? channels : op.groups * integer(1, 3);
    for (std::size_t axis = 0; axis < 2; ++axis) {
      op.kernel[axis] = integer(1, 3);
      op.dilation[axis] = same ? 1 : integer(1, 2);
      op.strides[axis] = same ? 1 : integer(1, 2);
      const std::int64_t reach = (op.kernel[axis] - 1) * op.dilation[axis];
      op.pad_before[axis] =
          same ? reach / 2 : std::max<std::int64_t>(integer(0, 2), reach + 1 - in[axis + 1]);
      op.pad_after[axis] = same ? reach - reach / 2 : integer(0, 1);
      const std::int64_t padded = in[axis + 1] + op.pad_before[axis] + op.pad_after[axis];
      out[axis + 1] = (padded - reach - 1) / op.strides[axis] + 1;
    }
    op.y = like(out);
    op.bias = chance(0.5);
    if (chance(0.2)) op.activation = activation();
    return builder_.emit(op, {x},
                         kernel_and_bias({op.kernel[0], op.kernel[1], channels / op.groups, out[3]},
                                         out[3], op.bias));
  }

  ValueId conv_transpose(ValueId x) {
    ops::Conv2DTranspose op;
    op.x = builder_.spec(x);
    Dims out = dims(x);
    for (std::size_t axis = 0; axis < 2; ++axis) {
      op.kernel[axis] = integer(1, 3);
      op.strides[axis] = integer(1, 2);
      op.pad_before[axis] = integer(0, (op.kernel[axis] - 1) / 2);
      out[axis + 1] =
          (out[axis + 1] - 1) * op.strides[axis] + op.kernel[axis] - op.pad_before[axis];
    }
    const std::int64_t channels = out[3];
    out[3] = integer(1, 3);
    op.y = like(out);
    op.bias = chance(0.5);
    return builder_.emit(
        op, {x}, kernel_and_bias({op.kernel[0], op.kernel[1], out[3], channels}, out[3], op.bias));
  }

  ValueId dense(ValueId x) {
    ops::Dense op;
    op.x = builder_.spec(x);
    Dims out = dims(x);
    const std::int64_t depth = out.back();
    if (chance(0.5)) out.back() = integer(1, 5);
    op.y = like(out);
    op.bias = chance(0.5);
    return builder_.emit(op, {x}, kernel_and_bias({depth, out.back()}, out.back(), op.bias));
  }

  /// With another value of as many matrices whose sizes suit; mostly with itself, transposed.
  ValueId matmul(ValueId x) {
    constexpr std::int64_t kMost = 4000;
    if (rank(x) < 2 || builder_.shape(x).size() * builder_.shape(x)[-2] > kMost) return dense(x);
    std::vector<std::pair<ValueId, bool>> fitting{{x, true}};
    const auto fits = [&](const Dims& other, std::size_t depth) {
      const Dims own = dims(x);
      return own.size() == other.size() && std::equal(own.begin(), own.end() - 2, other.begin()) &&
             other[other.size() - depth] == own.back();
    };
    for (ValueId id = 0; id < program_.values.size(); ++id) {
      if (fits(dims(id), 1)) fitting.emplace_back(id, true);
      if (fits(dims(id), 2)) fitting.emplace_back(id, false);
    }
    ops::MatMul how;
    ValueId other = 0;
    std::tie(other, how.transpose_x1) = fitting[integer<std::size_t>(0, fitting.size() - 1)];
    how.scale = 0.3;
    return builder_.matmul(x, other, how, dtype_);
  }

  ValueId pad(ValueId x) {
    Dims before(rank(x), 0), after(rank(x), 0), out = dims(x);
    for (std::size_t axis = 0; axis < rank(x); ++axis) {
      const bool spatial = rank(x) == 4 && (axis == 1 || axis == 2);
      if (!spatial && chance(0.9)) continue;
      before[axis] = integer(0, 2);
      after[axis] = out[axis] > 1 && chance(0.1) ? -1 : integer(0, 1);
      out[axis] += before[axis] + after[axis];
    }
    return builder_.emit(
        ops::Pad{builder_.spec(x), like(out), before, after, chance(0.8) ? 0 : 0.5}, {x});
  }

  ValueId reshape(ValueId x) {
    Dims out = dims(x);
    switch (integer(0, 3)) {
      case 0:
        out = {builder_.shape(x).size()};
        break;
      case 1:
        out.insert(out.begin(), 1);
        break;
      case 2:
        out = {builder_.shape(x).size() / out.back(), 1, 1, out.back()};
        break;
      default:
        break;
    }
    return builder_.emit(ops::Reshape{builder_.spec(x), like(out)}, {x});
  }

  ValueId transpose(ValueId x) {
    std::vector<std::size_t> perm(rank(x));
    std::iota(perm.begin(), perm.end(), 0);
    if (chance(0.7)) std::shuffle(perm.begin(), perm.end(), rng_);
    Dims out;
    for (std::size_t axis : perm) out.push_back(dims(x)[axis]);
    return builder_.emit(ops::Transpose{builder_.spec(x), like(out), perm}, {x});
  }

  ValueId pool(ValueId x) {
    ops::Pool2D op;
    op.kind = chance(0.5) ? ops::Pool2D::Kind::kMax : ops::Pool2D::Kind::kAverage;
    op.x = builder_.spec(x);
    Dims out = dims(x);
    for (std::size_t axis = 0; axis < 2; ++axis) {
      op.window[axis] = integer(1, std::min<std::int64_t>(2, out[axis + 1]));
      op.strides[axis] = integer(1, 2);
      out[axis + 1] = (out[axis + 1] - op.window[axis]) / op.strides[axis] + 1;
    }
    op.y = like(out);
    return builder_.emit(op, {x});
  }

  ValueId reduce(ValueId x) {
    std::vector<std::size_t> axes;
    Dims kept = dims(x), dropped;
    for (std::size_t axis = 0; axis < rank(x); ++axis) {
      if (chance(0.5)) {
        axes.push_back(axis);
        kept[axis] = 1;
      } else {
        dropped.push_back(kept[axis]);
      }
    }
    if (axes.empty()) return x;
    const auto kind = chance(0.5) ? ops::Reduce::Kind::kMean : ops::Reduce::Kind::kMax;
    const bool keep = dropped.empty() || chance(0.7);
    return builder_.emit(ops::Reduce{kind, builder_.spec(x), like(keep ? kept : dropped), axes},
                         {x});
  }

  /// With another value of the same shape where there is one; sometimes with itself or a reduced
  /// value.
  ValueId binary(ValueId x) {
    std::vector<ValueId> fitting;
    for (ValueId id = 0; id < program_.values.size(); ++id) {
      if (builder_.spec(id) == builder_.spec(x)) fitting.push_back(id);
    }
    ValueId other = fitting[integer<std::size_t>(0, fitting.size() - 1)];
    if (chance(0.2)) other = reduce(x);
    if (rank(other) != rank(x)) other = x;
    const auto kind = chance(0.7) ? ops::Binary::kAdd : ops::Binary::kMultiply;
    return chance(0.5) ? builder_.binary(kind, x, other) : builder_.binary(kind, other, x);
  }

  ValueId concat(ValueId x) {
    ops::Concat op;
    op.axis = integer<std::size_t>(0, rank(x) - 1);
    Dims out = dims(x);
    const std::int64_t count = integer(1, 3);
    std::vector<ValueId> inputs(static_cast<std::size_t>(count), x);
    op.xs.assign(inputs.size(), builder_.spec(x));
    out[op.axis] *= count;
    op.y = like(out);
    return builder_.emit(op, inputs);
  }

  ValueId softmax(ValueId x) {
    return builder_.emit(ops::Softmax{builder_.spec(x), builder_.spec(x), {rank(x) - 1}, false},
                         {x});
  }

  ValueId resize(ValueId x) {
    Dims out = dims(x);
    if (chance(0.6)) out[1] *= 2;
    return builder_.emit(ops::Resize2D{ops::Resize2D::Kind::kNearest, builder_.spec(x), like(out)},
                         {x});
  }

  /// What a residual block lowers to; its tail is left out now and then.
  void block(ValueId x) {
    ValueId y = conv(chance(0.2) ? pad(x) : x);
    if (chance(0.2)) y = reshape(y);
    if (chance(0.8)) y = norm(y);
    if (chance(0.5)) y = unary(y);
    if (builder_.spec(y) == builder_.spec(x) && chance(0.8)) {
      (void)(chance(0.5) ? builder_.binary(ops::Binary::kAdd, x, y)
                         : builder_.binary(ops::Binary::kAdd, y, x));
    }
  }

  void grow(ValueId x) {
    if (builder_.shape(x).size() > 3000 || rank(x) == 0) x = program_.inputs[0];
    if (rank(x) == 4 && chance(0.5)) {
      switch (integer(0, 6)) {
        case 0:
          (void)conv_transpose(x);
          return;
        case 1:
          (void)pool(x);
          return;
        case 2:
          (void)resize(x);
          return;
        default:
          block(x);
          return;
      }
    }
    switch (integer(0, 11)) {
      case 0:
        (void)dense(x);
        break;
      case 9:
        (void)matmul(x);
        break;
      case 1:
        (void)norm(x);
        break;
      case 2:
        (void)reshape(x);
        break;
      case 3:
        (void)transpose(x);
        break;
      case 4:
        (void)reduce(x);
        break;
      case 5:
        (void)concat(x);
        break;
      case 6:
        (void)softmax(x);
        break;
      case 7:
        (void)pad(x);
        break;
      case 8:
        (void)unary(x);
        break;
      default:
        (void)binary(x);
        break;
    }
  }

  Program program_;
  Builder builder_;
  DType dtype_;
  std::mt19937_64& rng_;
};

}  // namespace

Program random_program(std::size_t ops, DType dtype, std::mt19937_64& rng) {
  return Generator(dtype, rng).make(ops);
}

}  // namespace lamina::graph::testkit
