// CategoryEncoding, Discretization.
#include <algorithm>
#include <cmath>

#include "layers/adaptable.h"
#include "layers/axes.h"
#include "layers/config/registered_layers.h"
#include "layers/graph_version.h"
#include "layers/library_layer.h"
#include "layers/operations/parts.h"
#include "layers/quantiles.h"

namespace lamina::layers {
namespace {

bool is_encoding(const std::string& mode) {
  return mode == "one_hot" || mode == "multi_hot" || mode == "count";
}

Shape with_axis(const Shape& shape, std::int64_t size) {
  Shape with = shape;
  with.push_back(size);
  return with;
}

/// In the mode "one_hot" a last axis of size 1 is the place of the encoding.
bool gives_place(const Shape& shape) {
  return shape.rank() > 1 && shape[-1] == 1;
}

/// What all that encode indices have in common.
template <class Options>
class EncodingLayer : public LibraryLayer<Options> {
 protected:
  using LibraryLayer<Options>::LibraryLayer;

  [[nodiscard]] Shape encoded_shape(const Shape& shape, const std::string& mode,
                                    std::int64_t depth) const {
    if (mode == "one_hot") return with_axis(gives_place(shape) ? indices_of(shape) : shape, depth);
    if (shape.rank() != 2) {
      this->unsupported("the mode '" + mode + "' for an input of the shape " + shape.str());
    }
    return {shape[0], depth};
  }

  /// `weights`: of each index, in the mode "count".
  [[nodiscard]] ValueId encoded(Builder& builder, ValueId x, const std::string& mode,
                                std::int64_t depth, std::optional<ValueId> weights = {}) const {
    const Shape out = encoded_shape(builder.shape(x), mode, depth);
    if (mode == "one_hot" && gives_place(builder.shape(x))) {
      x = builder.reshape(x, indices_of(builder.shape(x)));
    }
    const DType dtype = this->compute_dtype();
    const ValueId one_hot = builder.cast(at_indices(builder, x, mode, depth), dtype);
    if (mode == "one_hot") return one_hot;
    if (mode == "multi_hot") {
      return builder.emit(
          ops::Reduce{ops::Reduce::Kind::kMax, builder.spec(one_hot), {out, dtype}, {1}},
          {one_hot});
    }
    if (!weights) return builder.sum(one_hot, {1}, out);
    const ValueId column =
        builder.reshape(builder.cast(*weights, dtype), with_axis(builder.shape(*weights), 1));
    return builder.sum(builder.binary(ops::Binary::kMultiply, one_hot, column), {1}, out);
  }

 private:
  [[nodiscard]] static Shape indices_of(const Shape& shape) {
    return Shape(std::vector<std::int64_t>(shape.begin(), shape.end() - 1));
  }
  /// Numbers between indices are none, but in the mode "multi_hot", which truncates them.
  [[nodiscard]] static ValueId at_indices(Builder& builder, ValueId x, const std::string& mode,
                                          std::int64_t depth) {
    const bool floats = is_floating(builder.dtype(x)) && mode != "multi_hot";
    const DType dtype = floats ? DType::kFloat64 : DType::kInt64;
    const Shape shape = builder.shape(x);
    const ValueId places = counted(builder, depth, shape.rank(), shape.rank() + 1, dtype);
    const ValueId indices = builder.reshape(builder.cast(x, dtype), with_axis(shape, 1));
    return builder.binary(ops::Binary::kEqual, indices, places);
  }
};

class CategoryEncodingLayer final : public EncodingLayer<CategoryEncodingOptions> {
 public:
  explicit CategoryEncodingLayer(CategoryEncodingOptions options)
      : EncodingLayer("CategoryEncoding", with_mode(std::move(options))) {
    if (!is_encoding(options_.output_mode)) {
      fail("Unknown arg for output_mode: " + options_.output_mode);
    }
    if (options_.num_tokens < 1) {
      fail("`num_tokens` must be >= 1. Received: num_tokens=" +
           std::to_string(options_.num_tokens) + ".");
    }
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    return {encoded_shape(inputs.at(0), options_.output_mode, options_.num_tokens)};
  }
  [[nodiscard]] CallSignature call_signature() const override {
    return {.tensors = {"count_weights"}};
  }

 protected:
  [[nodiscard]] bool autocast() const override { return false; }  // indices

  [[nodiscard]] Ids on_lower_call(Builder& builder, const Ids& inputs,
                                  const CallValues& call) override {
    const std::optional<ValueId> weights = call.tensor("count_weights");
    if (weights && options_.output_mode != "count") {
      fail("`count_weights` is not used when `output_mode` is not `'count'`.");
    }
    if (weights && builder.shape(*weights) != builder.shape(inputs.at(0))) {
      fail("`count_weights` must have the shape of the inputs. Received: " +
           builder.shape(*weights).str() + " and " + builder.shape(inputs[0]).str());
    }
    return {encoded(builder, inputs.at(0), options_.output_mode, options_.num_tokens, weights)};
  }

 private:
  /// By its old name, too.
  static CategoryEncodingOptions with_mode(CategoryEncodingOptions options) {
    if (options.output_mode == "binary") options.output_mode = "multi_hot";
    return options;
  }
};

class DiscretizationLayer final : public EncodingLayer<DiscretizationOptions>, public Adaptable {
 public:
  explicit DiscretizationLayer(DiscretizationOptions options)
      : EncodingLayer("Discretization", std::move(options)), boundaries_(options_.bin_boundaries) {
    const std::string& mode = options_.output_mode;
    if (mode != "int" && !is_encoding(mode)) {
      fail("Unknown argument `output_mode`: " + mode +
           ". Allowed values: ('int', 'one_hot', 'multi_hot', 'count').");
    }
    if (options_.num_bins && *options_.num_bins < 0) {
      fail("`num_bins` must be greater than or equal to 0. Received: `num_bins=" +
           std::to_string(*options_.num_bins) + "`");
    }
    const ArrayLike& bounds = options_.bin_boundaries;
    if (!bounds.given && !options_.num_bins) {
      fail("You need to set either `num_bins` or `bin_boundaries`.");
    }
    if (bounds.given && bounds.shape.rank() != 1) {
      fail("`bin_boundaries` should be a list of numbers. Received: an array of the shape " +
           bounds.shape.str());
    }
    if (!std::is_sorted(bounds.values.begin(), bounds.values.end())) {
      unsupported("`bin_boundaries` that fall");
    }
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    const std::string& mode = options_.output_mode;
    return {mode == "int" ? inputs.at(0) : encoded_shape(inputs.at(0), mode, depth())};
  }
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>&) override {
    return {options_.output_mode == "int" ? DType::kInt32 : compute_dtype()};
  }
  /// With the boundaries that it has learnt.
  [[nodiscard]] DiscretizationOptions current_options() const override {
    DiscretizationOptions options = EncodingLayer::current_options();
    options.bin_boundaries = boundaries_;
    return options;
  }

  void adapt(const NextBatch& next) override {
    check_adaptable();
    Summary summary;
    while (const std::optional<Tensor> batch = next()) {
      const Tensor floats = batch->cast(DType::kFloat32);
      const auto elements = floats.data<float>();
      const Summary newer = summary_of({elements.begin(), elements.end()}, options_.epsilon);
      summary = merged(newer, summary, options_.epsilon);
    }
    const std::vector<float> found = boundaries_of(summary, *options_.num_bins);
    if (std::any_of(found.begin(), found.end(), [](float x) { return std::isnan(x); })) {
      fail("adapt() received so many elements that are infinite or NaN that a boundary is NaN.");
    }
    boundaries_ = std::vector<double>(found.begin(), found.end());
    graph_version_ = next_graph_version();
  }
  [[nodiscard]] std::uint64_t graph_version() const noexcept override { return graph_version_; }

 protected:
  // Keras's `input_dtype`: floats are float32 whatever the layer's dtype, which may be one of
  // indices.
  [[nodiscard]] bool autocast() const override { return false; }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    if (!boundaries_.given) {
      fail(
          "You need to either pass the `bin_boundaries` argument at construction time or call "
          "`adapt(dataset)` before you can start using the `Discretization` layer.");
    }
    const ValueId x = inputs.at(0);
    const ValueId indices =
        bins(builder, is_floating(builder.dtype(x)) ? builder.cast(x, DType::kFloat32) : x);
    const std::string& mode = options_.output_mode;
    return {mode == "int" ? indices : encoded(builder, indices, mode, depth())};
  }

 private:
  void check_adaptable() const {
    if (!options_.num_bins) {
      fail(
          "Cannot adapt a Discretization layer that has been initialized with "
          "`bin_boundaries`, use `num_bins` instead.");
    }
    if (*options_.num_bins < 1 || !(options_.epsilon > 0) || std::isinf(options_.epsilon)) {
      fail("adapt() needs at least one bin, and an `epsilon` above 0. Received: num_bins=" +
           std::to_string(*options_.num_bins) + ", epsilon=" + std::to_string(options_.epsilon));
    }
  }
  /// How many bins there are, or will be of data enough.
  [[nodiscard]] std::int64_t depth() const {
    return boundaries_.given ? boundaries_.shape[0] + 1 : *options_.num_bins;
  }
  /// All boundaries but those above an element: what is no number is behind the last, as in Keras.
  [[nodiscard]] ValueId bins(Builder& builder, ValueId x) const {
    const DType given = builder.dtype(x);
    const bool is_wide =
        given == DType::kFloat64 || given == DType::kInt64 || given == DType::kUInt64;
    const DType wide = is_wide ? DType::kFloat64 : DType::kFloat32;
    const Shape shape = builder.shape(x);
    const std::int64_t count = depth() - 1;
    if (count == 0) return builder.cast(filled(builder, {shape, wide}, 0), DType::kInt32);
    const ValueId bounds = numbers(builder, boundaries_.values, {{count}, wide});
    const ValueId elements = builder.reshape(builder.cast(x, wide), with_axis(shape, 1));
    const ValueId above = builder.binary(ops::Binary::kGreater, bounds, elements);
    const ValueId sum = builder.sum(above, {shape.rank()}, shape);
    const ops::Activation rest{ops::Unary::kScaleShift, -1, static_cast<double>(count)};
    return builder.cast(builder.activation(sum, rest), DType::kInt32);
  }

  ArrayLike boundaries_;  ///< given, or learnt
  std::uint64_t graph_version_ = 0;
};

}  // namespace

LayerRef CategoryEncoding(CategoryEncodingOptions options) {
  return make_layer<CategoryEncodingLayer>(std::move(options));
}

LayerRef Discretization(DiscretizationOptions options) {
  return make_layer<DiscretizationLayer>(std::move(options));
}

void describe(Config& config, CategoryEncodingOptions& options) {
  config.required({"num_tokens"});
  config.integer("num_tokens", options.num_tokens);
  config.string("output_mode", options.output_mode);
}

// Keras writes no more than what its constructor takes, `dtype` as a name. Of a layer that was
// adapted both boundaries and their number.
void describe(Config& config, DiscretizationOptions& options) {
  config.array("bin_boundaries", options.bin_boundaries);
  config.optional_integer("num_bins", options.num_bins);
  config.number("epsilon", options.epsilon);
  config.string("output_mode", options.output_mode);
  config.fixed("sparse", false);
  config.dtype(options.dtype);
}

}  // namespace lamina::layers
