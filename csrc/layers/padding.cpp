// Layers that put zeros around steps, images and volumes, or cut their edges off.
#include "layers/arguments.h"
#include "layers/config/registered_layers.h"
#include "layers/data_format.h"
#include "layers/library_layer.h"

namespace lamina::layers {
namespace {

/// What comes to each axis from `first` on, before and behind; negative: goes.
struct Edges {
  std::int64_t first;
  std::vector<IntPair> added;
};

template <class Options>
class EdgeLayer : public MovingLayer<Options> {
 public:
  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) override {
    Shape out = inputs.at(0);
    std::int64_t axis = edges_.first;
    for (const IntPair& added : edges_.added) {
      std::int64_t& size = out[axis++];
      if (size == kNone) continue;
      size += added.first + added.second;
      if (size <= 0 && (added.first < 0 || added.second < 0)) this->refuse(inputs[0]);
    }
    return {out};
  }

 protected:
  EdgeLayer(const char* class_name, Options options, std::size_t rank)
      : MovingLayer<Options>(class_name, std::move(options)) {
    this->input_spec_.ndim = rank + 2;
  }
  void set(Edges edges) { edges_ = std::move(edges); }
  /// An input from which more is cut off than it has.
  virtual void refuse(const Shape&) const {}
  /// Of images and volumes, whose edges it names.
  [[noreturn]] void refuse_by(const std::vector<IntPair>& cropping, const Shape& input) const {
    std::string text;
    for (const IntPair& pair : cropping) {
      text.append(text.empty() ? "" : ", ").append(in_tuple(along(pair)));
    }
    this->fail(
        "Values in `cropping` argument should be smaller than the corresponding spatial dimension "
        "of the input. Received: input_shape=" +
        input.str() + ", cropping=(" + text + ")");
  }

  [[nodiscard]] Ids on_lower(Builder& builder, const Ids& inputs) override {
    const ops::TensorSpec spec = builder.spec(inputs.at(0));
    ops::Pad op;
    op.x = spec;
    op.y = {compute_output_shape({spec.shape})[0], spec.dtype};
    op.before.assign(spec.shape.rank(), 0);
    op.after = op.before;
    auto axis = static_cast<std::size_t>(edges_.first);
    for (const IntPair& added : edges_.added) {
      op.before[axis] = added.first;
      op.after[axis++] = added.second;
    }
    return {builder.emit(std::move(op), {inputs[0]})};
  }

  [[nodiscard]] std::int64_t first_axis() const {
    return this->options_.data_format == kChannelsFirst ? 2 : 1;
  }
  static IntPair negative(IntPair pair) { return {-pair.first, -pair.second}; }

 private:
  Edges edges_;
};

class ZeroPadding1DLayer final : public EdgeLayer<ZeroPadding1DOptions> {
 public:
  explicit ZeroPadding1DLayer(ZeroPadding1DOptions options)
      : EdgeLayer("ZeroPadding1D", std::move(options), 1) {
    checked([&] {
      check_data_format(options_.data_format);
      check_each("padding", along(options_.padding), 0);
    });
    set({first_axis(), {options_.padding}});
  }
};

class ZeroPadding2DLayer final : public EdgeLayer<ZeroPadding2DOptions> {
 public:
  explicit ZeroPadding2DLayer(ZeroPadding2DOptions options)
      : EdgeLayer("ZeroPadding2D", std::move(options), 2) {
    checked([&] {
      check_each("1st entry of padding", along(options_.padding.height), 0);
      check_each("2nd entry of padding", along(options_.padding.width), 0);
      check_data_format(options_.data_format);
    });
    set({first_axis(), {options_.padding.height, options_.padding.width}});
  }
};

class ZeroPadding3DLayer final : public EdgeLayer<ZeroPadding3DOptions> {
 public:
  explicit ZeroPadding3DLayer(ZeroPadding3DOptions options)
      : EdgeLayer("ZeroPadding3D", std::move(options), 3) {
    const Padding3D& padding = options_.padding;
    checked([&] {
      check_data_format(options_.data_format);
      check_each("1st entry of padding", along(padding.depth), 0);
      check_each("2nd entry of padding", along(padding.height), 0);
      check_each("3rd entry of padding", along(padding.width), 0);
    });
    set({first_axis(), {padding.depth, padding.height, padding.width}});
  }
};

class Cropping1DLayer final : public EdgeLayer<Cropping1DOptions> {
 public:
  explicit Cropping1DLayer(Cropping1DOptions options)
      : EdgeLayer("Cropping1D", std::move(options), 1) {
    checked([&] { check_each("cropping", along(options_.cropping), 0); });
    set({1, {negative(options_.cropping)}});
  }

 protected:
  void refuse(const Shape& input) const override {
    fail(
        "`cropping` parameter of `Cropping1D` layer must be smaller than the input length. "
        "Received: input_shape=" +
        input.str() + ", cropping=" + in_tuple(along(options_.cropping)));
  }
};

class Cropping2DLayer final : public EdgeLayer<Cropping2DOptions> {
 public:
  explicit Cropping2DLayer(Cropping2DOptions options)
      : EdgeLayer("Cropping2D", std::move(options), 2) {
    checked([&] {
      check_data_format(options_.data_format);
      check_each("1st entry of cropping", along(options_.cropping.height), 0);
      check_each("2nd entry of cropping", along(options_.cropping.width), 0);
    });
    set({first_axis(), {negative(options_.cropping.height), negative(options_.cropping.width)}});
  }

 protected:
  void refuse(const Shape& input) const override {
    refuse_by({options_.cropping.height, options_.cropping.width}, input);
  }
};

class Cropping3DLayer final : public EdgeLayer<Cropping3DOptions> {
 public:
  explicit Cropping3DLayer(Cropping3DOptions options)
      : EdgeLayer("Cropping3D", std::move(options), 3) {
    const Padding3D& cropping = options_.cropping;
    checked([&] {
      check_data_format(options_.data_format);
      check_each("1st entry of cropping", along(cropping.depth), 0);
      check_each("2nd entry of cropping", along(cropping.height), 0);
      check_each("3rd entry of cropping", along(cropping.width), 0);
    });
    set({first_axis(),
         {negative(cropping.depth), negative(cropping.height), negative(cropping.width)}});
  }

 protected:
  void refuse(const Shape& input) const override {
    const Padding3D& cropping = options_.cropping;
    refuse_by({cropping.depth, cropping.height, cropping.width}, input);
  }
};

}  // namespace

LayerRef ZeroPadding1D(ZeroPadding1DOptions options) {
  return make_layer<ZeroPadding1DLayer>(std::move(options));
}
LayerRef ZeroPadding2D(ZeroPadding2DOptions options) {
  return make_layer<ZeroPadding2DLayer>(std::move(options));
}
LayerRef ZeroPadding3D(ZeroPadding3DOptions options) {
  return make_layer<ZeroPadding3DLayer>(std::move(options));
}
LayerRef Cropping1D(Cropping1DOptions options) {
  return make_layer<Cropping1DLayer>(std::move(options));
}
LayerRef Cropping2D(Cropping2DOptions options) {
  return make_layer<Cropping2DLayer>(std::move(options));
}
LayerRef Cropping3D(Cropping3DOptions options) {
  return make_layer<Cropping3DLayer>(std::move(options));
}

void describe(Config& config, ZeroPadding1DOptions& options) {
  config.pair("padding", options.padding);
  config.data_format(options.data_format);
}
void describe(Config& config, ZeroPadding2DOptions& options) {
  config.padding2d("padding", options.padding);
  config.data_format(options.data_format);
}
void describe(Config& config, ZeroPadding3DOptions& options) {
  config.padding3d("padding", options.padding);
  config.data_format(options.data_format);
}
void describe(Config& config, Cropping1DOptions& options) {
  config.pair("cropping", options.cropping);
}
void describe(Config& config, Cropping2DOptions& options) {
  config.padding2d("cropping", options.cropping);
  config.data_format(options.data_format);
}
void describe(Config& config, Cropping3DOptions& options) {
  config.padding3d("cropping", options.cropping);
  config.data_format(options.data_format);
}

}  // namespace lamina::layers
