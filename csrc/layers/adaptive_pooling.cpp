#include <algorithm>

#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

enum class Kind : std::uint8_t { kMax, kAverage };

/// The windows of an axis, laid one after another, each as long as the longest.
struct Windows {
  std::int64_t length = 0;
  std::vector<double> counts;          ///< how many elements each has
  std::vector<std::int64_t> elements;  ///< which; behind the last one of a shorter window `kNobody`

  static constexpr std::int64_t kNobody = -1;

  Windows(std::int64_t size, std::int64_t count) {
    const auto begin = [&](std::int64_t i) { return i * size / count; };
    const auto end = [&](std::int64_t i) { return (i * size + size + count - 1) / count; };
    for (std::int64_t i = 0; i < count; ++i) {
      counts.push_back(static_cast<double>(end(i) - begin(i)));
      length = std::max(length, end(i) - begin(i));
    }
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t at = begin(i); at < begin(i) + length; ++at) {
        elements.push_back(at < end(i) ? at : kNobody);
      }
    }
  }
};

/// Axis by axis, as Keras does it: the largest of the largest, and means of means.
template <class Options>
class AdaptivePoolingLayer final : public LibraryLayer<Options> {
 public:
  AdaptivePoolingLayer(const char* class_name, Options options, Kind kind)
      : LibraryLayer<Options>(class_name, std::move(options)),
        kind_(kind),
        output_size_(along(this->options_.output_size)),
        channels_first_(this->options_.data_format == kChannelsFirst) {
    this->checked([&] {
      check_each("output_size", output_size_, 1);
      check_data_format(this->options_.data_format);
    });
    this->input_spec_.ndim = output_size_.size() + 2;
    this->built_ = true;
  }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    for (std::size_t i = 0; i < output_size_.size(); ++i) {
      const std::int64_t axis = static_cast<std::int64_t>(i) + (channels_first_ ? 2 : 1);
      if (out[axis] == 0) {
        this->fail("There is nothing to pool along axis " + std::to_string(axis) +
                   " of the input shape " + inputs[0].str() + ".");
      }
      out[axis] = output_size_[i];
    }
    return {out};
  }

 protected:
  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    ValueId x = this->computable(builder, inputs.at(0));
    (void)compute_output_shape({builder.shape(x)});
    if (channels_first_) x = to_channels_last(builder, x);
    for (std::size_t i = 0; i < output_size_.size(); ++i) {
      const std::size_t axis = i + 1;
      if (builder.shape(x).dims()[axis] == output_size_[i]) continue;
      x = kind_ == Kind::kMax ? largest(builder, x, axis, output_size_[i])
                              : mean(builder, x, axis, output_size_[i]);
    }
    return {channels_first_ ? to_channels_first(builder, x) : x};
  }

 private:
  /// The elements of the axis that are named, unless they are the axis as it is.
  [[nodiscard]] static ValueId laid_out(Builder& builder, ValueId x, std::size_t axis,
                                        const std::vector<std::int64_t>& elements) {
    const auto size = static_cast<std::size_t>(builder.shape(x).dims()[axis]);
    return elements.size() == size ? x : chosen(builder, x, axis, elements);
  }
  [[nodiscard]] static Shape with_size(Shape shape, std::size_t axis, std::int64_t size) {
    shape[static_cast<std::int64_t>(axis)] = size;
    return shape;
  }

  /// Shorter windows have their last element again, to which no gradient goes: the first of several
  /// takes all.
  [[nodiscard]] static ValueId largest(Builder& builder, ValueId x, std::size_t axis,
                                       std::int64_t count) {
    const Shape shape = builder.shape(x);
    Windows windows(shape.dims()[axis], count);
    for (std::size_t i = 1; i < windows.elements.size(); ++i) {
      std::int64_t& element = windows.elements[i];
      if (element == Windows::kNobody) element = windows.elements[i - 1];
    }
    x = laid_out(builder, x, axis, windows.elements);
    const Around around(builder.shape(x), axis);
    const std::int64_t channels = std::max<std::int64_t>(1, shape[-1]);
    x = builder.reshape(x, {around.before, around.size, around.behind / channels, channels});
    ops::Pool2D op;
    op.kind = ops::Pool2D::Kind::kMax;
    op.x = op.y = builder.spec(x);
    op.window = op.strides = {windows.length, 1};
    op.y.shape[1] = count;
    return builder.reshape(builder.emit(std::move(op), {x}), with_size(shape, axis, count));
  }

  /// Shorter windows end in zeros, which stand behind the axis.
  [[nodiscard]] static ValueId mean(Builder& builder, ValueId x, std::size_t axis,
                                    std::int64_t count) {
    const Shape shape = builder.shape(x);
    const std::int64_t size = shape.dims()[axis];
    Windows windows(size, count);
    bool shorter = false;
    for (std::int64_t& element : windows.elements) {
      if (element != Windows::kNobody) continue;
      shorter = true;
      element = size;
    }
    if (shorter) x = cropped(builder, x, axis, 0, size + 1);
    x = laid_out(builder, x, axis, windows.elements);
    const Around around(builder.shape(x), axis);
    x = builder.reshape(x, {around.before, count, windows.length, around.behind});
    const ValueId sum = builder.sum(x, {2}, {around.before, count, around.behind});
    const ValueId counts =
        numbers(builder, std::move(windows.counts), {{1, count, 1}, builder.dtype(x)});
    return builder.reshape(builder.binary(ops::Binary::kDivide, sum, counts),
                           with_size(shape, axis, count));
  }

  Kind kind_;
  Along output_size_;
  bool channels_first_;
};

template <class Options>
LayerRef adaptive_pooling(const char* class_name, Options options, Kind kind) {
  return make_layer<AdaptivePoolingLayer<Options>>(class_name, std::move(options), kind);
}

template <class Options>
void describe_adaptive(Config& config, Options& options) {
  config.required({"output_size"});
  config.along("output_size", options.output_size);
  config.data_format(options.data_format);
}

}  // namespace

#define LAMINA_ADAPTIVE_POOLING(Name, kind)                   \
  LayerRef Name(Name##Options options) {                      \
    return adaptive_pooling(#Name, std::move(options), kind); \
  }                                                           \
  void describe(Config& config, Name##Options& options) {     \
    describe_adaptive(config, options);                       \
  }
LAMINA_ADAPTIVE_POOLING(AdaptiveAveragePooling1D, Kind::kAverage)
LAMINA_ADAPTIVE_POOLING(AdaptiveAveragePooling2D, Kind::kAverage)
LAMINA_ADAPTIVE_POOLING(AdaptiveAveragePooling3D, Kind::kAverage)
LAMINA_ADAPTIVE_POOLING(AdaptiveMaxPooling1D, Kind::kMax)
LAMINA_ADAPTIVE_POOLING(AdaptiveMaxPooling2D, Kind::kMax)
LAMINA_ADAPTIVE_POOLING(AdaptiveMaxPooling3D, Kind::kMax)
#undef LAMINA_ADAPTIVE_POOLING

}  // namespace lamina::layers
