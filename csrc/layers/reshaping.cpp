#include <algorithm>
#include <numeric>

#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

Shape with_batch(std::int64_t batch, const Shape& rest) {
  Shape shape{batch};
  for (const std::int64_t dim : rest) shape.push_back(dim);
  return shape;
}

class ReshapeLayer final : public MovingLayer<ReshapeOptions> {
 public:
  explicit ReshapeLayer(ReshapeOptions options) : MovingLayer("Reshape", std::move(options)) {
    const Shape& target = options_.target_shape;
    for (const std::int64_t dim : target) {
      if (dim < -1) {
        fail(
            "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single "
            "unknown dimension. Received: target_shape=" +
            target.str() + ".");
      }
    }
    if (std::count(target.begin(), target.end(), -1) > 1) {
      fail(
          "There must be at most one unknown dimension (-1) in `target_shape`. Received: "
          "target_shape=" +
          target.str() + ".");
    }
    input_spec_.min_ndim = 1;
    built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const Shape in = without_batch(inputs.at(0));
    Shape target = options_.target_shape;
    const auto unknown = std::find(target.begin(), target.end(), kNone);
    if (in.is_known()) {
      if (unknown != target.end()) {
        target[unknown - target.begin()] = inferred(in, target, unknown - target.begin());
      } else if (in.size() != target.size()) {
        fail("The total size of the tensor must be unchanged. Received: input_shape=" + in.str() +
             ", target_shape=" + target.str());
      }
    }
    return {with_batch(inputs[0][0], target)};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ValueId x = inputs.at(0);
    return {builder.reshape(x, compute_output_shape({builder.shape(x)})[0])};
  }

 private:
  [[nodiscard]] std::int64_t inferred(const Shape& in, Shape target, std::int64_t axis) const {
    target[axis] = 1;
    const std::int64_t known = target.size();
    if (known == 0 || in.size() % known != 0) {
      fail(
          "The total size of the tensor must be unchanged, however, the input size cannot by "
          "divided by "
          "the specified dimensions in target_shape. Received: input_shape=" +
          in.str() + ", target_shape=" + options_.target_shape.str());
    }
    return in.size() / known;
  }
};

class FlattenLayer final : public MovingLayer<FlattenOptions> {
 public:
  explicit FlattenLayer(FlattenOptions options) : MovingLayer("Flatten", std::move(options)) {
    checked([&] { check_data_format(options_.data_format); });
    input_spec_.min_ndim = 1;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const Shape rest = without_batch(inputs.at(0));
    return {{inputs[0][0], rest.is_known() ? rest.size() : kNone}};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = inputs.at(0);
    const Shape out = compute_output_shape({builder.shape(x)})[0];
    if (options_.data_format == kChannelsFirst && builder.shape(x).rank() > 2) {
      x = to_channels_last(builder, x);
    }
    return {builder.reshape(x, out)};
  }
};

class PermuteLayer final : public MovingLayer<PermuteOptions> {
 public:
  explicit PermuteLayer(PermuteOptions options) : MovingLayer("Permute", std::move(options)) {
    const std::vector<std::int64_t>& dims = options_.dims;
    std::vector<std::int64_t> expected(dims.size());
    std::iota(expected.begin(), expected.end(), 1);
    if (!std::is_permutation(dims.begin(), dims.end(), expected.begin(), expected.end())) {
      fail(
          "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` "
          "must be "
          "consecutive and start from 1. Received dims=" +
          Shape(dims).str());
    }
    input_spec_.ndim = dims.size() + 1;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out{inputs.at(0)[0]};
    for (const std::int64_t dim : options_.dims) out.push_back(inputs[0][dim]);
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    std::vector<std::size_t> perm{0};
    for (const std::int64_t dim : options_.dims) perm.push_back(static_cast<std::size_t>(dim));
    return {builder.transpose(inputs.at(0), std::move(perm))};
  }
};

class RepeatVectorLayer final : public MovingLayer<RepeatVectorOptions> {
 public:
  explicit RepeatVectorLayer(RepeatVectorOptions options)
      : MovingLayer("RepeatVector", std::move(options)) {
    if (options_.n <= 0) {
      fail("Argument `n` should be a positive integer. Received: n=" + std::to_string(options_.n));
    }
    input_spec_.ndim = 2;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    return {{inputs.at(0)[0], options_.n, inputs[0][1]}};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const Shape shape = builder.shape(inputs.at(0));
    return {repeated(builder, builder.reshape(inputs[0], {shape[0], 1, shape[1]}), options_.n)};
  }

 private:
  /// Of many blocks of as many: a configuration may ask for any number.
  static ValueId repeated(Builder& builder, ValueId one, std::int64_t n) {
    constexpr std::int64_t kParts = 64;
    if (n <= kParts) return joined(builder, Ids(static_cast<std::size_t>(n), one));
    Ids parts(static_cast<std::size_t>(kParts), repeated(builder, one, n / kParts));
    if (n % kParts != 0) parts.push_back(repeated(builder, one, n % kParts));
    return joined(builder, parts);
  }
  /// One after the other along time.
  static ValueId joined(Builder& builder, const Ids& parts) {
    ops::Concat op;
    op.y = builder.spec(parts.front());
    op.y.shape[1] = 0;
    for (const ValueId part : parts) {
      op.xs.push_back(builder.spec(part));
      op.y.shape[1] += op.xs.back().shape[1];
    }
    op.axis = 1;
    return builder.emit(std::move(op), parts);
  }
};

}  // namespace

LayerRef Reshape(ReshapeOptions options) {
  return make_layer<ReshapeLayer>(std::move(options));
}
LayerRef Flatten(FlattenOptions options) {
  return make_layer<FlattenLayer>(std::move(options));
}
LayerRef Permute(PermuteOptions options) {
  return make_layer<PermuteLayer>(std::move(options));
}
LayerRef RepeatVector(RepeatVectorOptions options) {
  return make_layer<RepeatVectorLayer>(std::move(options));
}

void describe(Config& config, ReshapeOptions& options) {
  config.required({"target_shape"});
  std::vector<std::int64_t> dims = options.target_shape.dims();
  config.integers("target_shape", dims);
  options.target_shape = Shape(std::move(dims));
}

void describe(Config& config, FlattenOptions& options) {
  config.data_format(options.data_format);
}

void describe(Config& config, PermuteOptions& options) {
  config.required({"dims"});
  config.integers("dims", options.dims);
}

void describe(Config& config, RepeatVectorOptions& options) {
  config.required({"n"});
  config.integer("n", options.n);
}

}  // namespace lamina::layers
