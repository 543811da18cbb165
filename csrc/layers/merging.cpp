#include <algorithm>
#include <optional>

#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/library_layer.h"
#include "layers/masks.h"

namespace lamina::layers {
namespace {

// `narrow` with axes of size 1 after the batch, up to `rank`.
Shape padded(const Shape& shape, std::size_t rank) {
  std::vector<std::int64_t> dims(shape.begin(), shape.end());
  dims.insert(dims.begin() + 1, rank - shape.rank(), 1);
  return Shape(std::move(dims));
}

// The inputs as one dtype: their own when it is the same integer type, else the compute dtype.
Ids unified(Builder& builder, Ids inputs, DType compute) {
  const DType first = builder.dtype(inputs.at(0));
  const bool same = std::all_of(inputs.begin(), inputs.end(),
                                [&](ValueId id) { return builder.dtype(id) == first; });
  if (!same) {
    for (ValueId& id : inputs) id = builder.cast(id, compute);
  }
  return inputs;
}

class MergeLayer final : public LibraryLayer<MergeOptions> {
 public:
  struct Kind {
    const char* class_name;
    ops::Binary op;
    bool mean = false;
    std::optional<std::size_t> inputs = {};
  };

  MergeLayer(Kind kind, MergeOptions options)
      : LibraryLayer(kind.class_name, std::move(options)), kind_(kind) {
    input_spec_.count = std::nullopt;
    input_spec_.min_ndim = 1;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    if (kind_.inputs && inputs.size() != *kind_.inputs) {
      fail("A `" + class_name() + "` layer should be called on exactly " +
           std::to_string(*kind_.inputs) + " inputs. Received: " + in_list(inputs));
    }
    Shape out = inputs.at(0);
    for (std::size_t i = 1; i < inputs.size(); ++i) out = merged(out, inputs[i], inputs);
    return {out};
  }

  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override { (void)compute_output_shape(inputs); }

  /// Where any of the inputs has something, if all of them have masks.
  [[nodiscard]] Masks compute_mask(Builder& builder, const Ids&, const Masks& previous) override {
    std::optional<ValueId> mask = previous.at(0);
    for (std::size_t i = 1; i < previous.size() && mask; ++i) {
      mask = previous[i] ? std::optional(logical_or(builder, *mask, *previous[i])) : std::nullopt;
    }
    return {mask};
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    Ids xs = unified(builder, inputs, compute_dtype());
    std::size_t rank = 0;
    for (const ValueId x : xs) rank = std::max(rank, builder.shape(x).rank());
    for (ValueId& x : xs) x = builder.reshape(x, padded(builder.shape(x), rank));
    if (kind_.op == ops::Binary::kMultiply) {
      return {product(builder, xs, element_masks(builder, inputs, rank))};
    }
    if (kind_.op == ops::Binary::kMaximum || kind_.op == ops::Binary::kMinimum) {
      return {extreme(builder, xs, element_masks(builder, inputs, rank))};
    }
    ValueId y = xs.at(0);
    for (std::size_t i = 1; i < xs.size(); ++i) y = builder.binary(kind_.op, y, xs[i]);
    if (kind_.mean) {
      y = builder.activation(computable(builder, y),
                             {ops::Unary::kScaleShift, 1.0 / static_cast<double>(xs.size()), 0});
    }
    return {y};
  }

 private:
  /// The inputs' masks, each with an axis for the elements; none of one that gets axes, as in
  /// Keras.
  [[nodiscard]] static Masks element_masks(Builder& builder, const Ids& inputs, std::size_t rank) {
    Masks masks;
    for (const ValueId x : inputs) {
      std::optional<ValueId> mask = builder.mask(x);
      if (mask && builder.shape(x).rank() != rank) mask.reset();
      if (mask) mask = expand_dims(builder, *mask, builder.shape(*mask).rank());
      masks.push_back(mask);
    }
    return masks;
  }
  [[nodiscard]] static std::optional<ValueId> either(Builder& builder,
                                                     const std::optional<ValueId>& a,
                                                     const std::optional<ValueId>& b) {
    return a && b ? std::optional(logical_or(builder, *a, *b)) : std::nullopt;
  }
  [[nodiscard]] static ValueId select(Builder& builder, ValueId mask, ValueId x, ValueId other) {
    return builder.binary(ops::Binary::kAdd, kept(builder, x, mask),
                          kept(builder, other, logical_not(builder, mask)));
  }

  /// What is masked is no factor; where everything is, the product is 0.
  [[nodiscard]] static ValueId product(Builder& builder, const Ids& xs, const Masks& masks) {
    std::optional<ValueId> y, seen = masks.at(0);
    for (std::size_t i = 0; i < xs.size(); ++i) {
      ValueId x = xs[i];
      if (masks[i]) {
        const ValueId ones =
            mask_numbers(builder, logical_not(builder, *masks[i]), builder.dtype(x));
        x = builder.binary(ops::Binary::kAdd, kept(builder, x, *masks[i]), ones);
      }
      if (i > 0) seen = either(builder, seen, masks[i]);
      y = y ? builder.binary(ops::Binary::kMultiply, *y, x) : x;
    }
    return seen ? kept(builder, *y, *seen) : *y;
  }

  /// What is masked is none of those that are compared.
  [[nodiscard]] ValueId extreme(Builder& builder, const Ids& xs, const Masks& masks) const {
    ValueId y = xs.at(0);
    std::optional<ValueId> seen = masks.at(0);
    for (std::size_t i = 1; i < xs.size(); ++i) {
      const ValueId x = masks[i] ? select(builder, *masks[i], xs[i], y) : xs[i];
      if (seen) y = select(builder, *seen, y, x);
      seen = either(builder, seen, masks[i]);
      y = builder.binary(kind_.op, y, x);
    }
    return y;
  }

  [[nodiscard]] Shape merged(const Shape& a, const Shape& b, const Shapes& all) const {
    // A batch of 1 broadcasts, as a weight does that has an axis for it.
    if (a[0] != kNone && b[0] != kNone && a[0] != b[0] && a[0] != 1 && b[0] != 1) {
      fail("Cannot merge tensors with different batch sizes. Received tensors with shapes " +
           in_list(all));
    }
    const std::size_t rank = std::max(a.rank(), b.rank());
    const Shape x = padded(a, rank), y = padded(b, rank);
    Shape out{x[0] == 1 || (x[0] == kNone && y[0] != 1) ? y[0] : x[0]};
    for (std::size_t i = 1; i < rank; ++i) {
      const std::int64_t dx = x.dims()[i], dy = y.dims()[i];
      // A missing axis (padded) gives way; two axes of which one is unknown stay unknown, as in
      // Keras.
      if (i + a.rank() < rank + 1 || i + b.rank() < rank + 1) {
        out.push_back(i + a.rank() < rank + 1 ? dy : dx);
      } else if (dx == kNone || dy == kNone) {
        out.push_back(kNone);
      } else if (dx != 1 && dy != 1 && dx != dy) {
        fail("Inputs have incompatible shapes. Received shapes " + without_batch(a).str() +
             " and " + without_batch(b).str());
      } else {
        out.push_back(dx == 1 ? dy : dx);
      }
    }
    return out;
  }

  Kind kind_;
};

class ConcatenateLayer final : public LibraryLayer<ConcatenateOptions> {
 public:
  explicit ConcatenateLayer(ConcatenateOptions options)
      : LibraryLayer("Concatenate", std::move(options)) {
    input_spec_.count = std::nullopt;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    const std::size_t axis = axis_index(out, options_.axis);
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      const Shape& shape = inputs[i];
      if (shape.rank() != out.rank()) mismatch(inputs);
      for (std::size_t k = 0; k < out.rank(); ++k) {
        const std::int64_t dim = shape.dims()[k];
        std::int64_t& total = out[static_cast<std::int64_t>(k)];
        if (k == axis) {
          total = total == kNone || dim == kNone ? kNone : total + dim;
        } else if (total == kNone) {
          total = dim;
        } else if (dim != kNone && dim != total) {
          mismatch(inputs);
        }
      }
    }
    return {out};
  }

  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  void on_build(const Shapes& inputs) override { (void)compute_output_shape(inputs); }

  /// Where anything of the last axis has something, the masks being laid one after another as the
  /// inputs are; one without a mask has something everywhere.
  [[nodiscard]] Masks compute_mask(Builder& builder, const Ids& inputs,
                                   const Masks& previous) override {
    const auto none = std::count(previous.begin(), previous.end(), std::nullopt);
    if (static_cast<std::size_t>(none) == previous.size()) return {};
    Ids masks;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Shape& shape = builder.shape(inputs[i]);
      if (!previous.at(i)) {
        masks.push_back(constant_mask(builder, shape, true));
      } else if (builder.shape(*previous[i]).rank() < shape.rank()) {
        const ValueId mask = *previous[i];
        masks.push_back(logical_or(builder, expand_dims(builder, mask, builder.shape(mask).rank()),
                                   constant_mask(builder, shape, false)));
      } else {
        masks.push_back(*previous[i]);
      }
    }
    const ValueId all = concatenated(builder, masks);
    return {any(builder, all, {builder.shape(all).rank() - 1}, false)};
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    return {concatenated(builder, unified(builder, inputs, compute_dtype()))};
  }

 private:
  [[nodiscard]] ValueId concatenated(Builder& builder, const Ids& xs) {
    if (xs.size() == 1) return xs[0];
    ops::Concat op;
    Shapes shapes;
    for (const ValueId x : xs) {
      op.xs.push_back(builder.spec(x));
      shapes.push_back(builder.shape(x));
    }
    op.y = {compute_output_shape(shapes)[0], op.xs[0].dtype};
    op.axis = axis_index(op.y.shape, options_.axis);
    return builder.emit(std::move(op), xs);
  }

  [[noreturn]] void mismatch(const Shapes& inputs) const {
    fail(
        "A `Concatenate` layer requires inputs with matching shapes except for the concatenation "
        "axis. "
        "Received: input_shape=" +
        in_list(inputs));
  }
};

LayerRef merge(MergeLayer::Kind kind, MergeOptions options) {
  return make_layer<MergeLayer>(kind, std::move(options));
}

}  // namespace

LayerRef Add(MergeOptions options) {
  return merge({"Add", ops::Binary::kAdd}, std::move(options));
}
LayerRef Subtract(MergeOptions options) {
  return merge({"Subtract", ops::Binary::kSubtract, false, 2}, std::move(options));
}
LayerRef Multiply(MergeOptions options) {
  return merge({"Multiply", ops::Binary::kMultiply}, std::move(options));
}
LayerRef Average(MergeOptions options) {
  return merge({"Average", ops::Binary::kAdd, true}, std::move(options));
}
LayerRef Maximum(MergeOptions options) {
  return merge({"Maximum", ops::Binary::kMaximum}, std::move(options));
}
LayerRef Minimum(MergeOptions options) {
  return merge({"Minimum", ops::Binary::kMinimum}, std::move(options));
}
LayerRef Concatenate(ConcatenateOptions options) {
  return make_layer<ConcatenateLayer>(std::move(options));
}

void describe(Config&, MergeOptions&) {}

void describe(Config& config, ConcatenateOptions& options) {
  config.integer("axis", options.axis);
}

}  // namespace lamina::layers
