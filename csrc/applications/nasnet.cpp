#include <lamina/applications.h>

#include <array>
#include <optional>
#include <utility>

#include "applications/parts.h"

// NASNet-A: a stem that ends with two reduction cells, then groups of normal cells with a reduction
// cell between each two. A cell takes what the one before it gave and what the one before that
// gave. Layer names are Keras's.
namespace lamina::applications {
namespace {

using namespace layers;

struct Variant {
  std::string_view function, name, file;
  std::int64_t size, filters, cells, stem_filters;
  bool skips_reduced;  // the cell behind a reduction cell is not given what that one reduced
};

// The filters are those of the first group.
constexpr auto kVariants = std::to_array<Variant>({
    {"NASNetMobile", "nasnet_mobile", "NASNet-mobile", 224, 44, 4, 32, false},
    {"NASNetLarge", "nasnet_large", "NASNet-large", 331, 168, 6, 96, true},
});

SymbolicTensor normalized(const SymbolicTensor& x, const std::string& name) {
  return BatchNormalization({.momentum = 0.9997, .epsilon = 1e-3, .name = name})(x);
}

// A 1x1 convolution without bias.
SymbolicTensor pointwise(const SymbolicTensor& x, std::int64_t filters, const std::string& name) {
  return Conv2D({.filters = filters,
                 .kernel_size = 1,
                 .padding = "same",
                 .use_bias = false,
                 .kernel_initializer = "he_normal",
                 .name = name})(x);
}

SymbolicTensor relu_pointwise_bn(const SymbolicTensor& x, std::int64_t filters,
                                 const std::string& conv, const std::string& bn) {
  return normalized(pointwise(Activation({.activation = "relu"})(x), filters, conv), bn);
}

// Twice relu, separable convolution and batch normalisation; the first has the stride.
SymbolicTensor separable(SymbolicTensor x, std::int64_t filters, std::int64_t kernel,
                         std::int64_t stride, const std::string& id) {
  for (const std::string name : {"separable_conv_1_", "separable_conv_2_"}) {
    x = Activation({.activation = "relu"})(x);
    if (stride == 2) {
      x = ZeroPadding2D({.padding = correct_pad(x, kernel), .name = name + "pad_" + id})(x);
    }
    x = SeparableConv2D({.filters = filters,
                         .kernel_size = kernel,
                         .strides = stride,
                         .padding = stride == 2 ? "valid" : "same",
                         .use_bias = false,
                         .name = name + id})(x);
    x = normalized(x, name + "bn_" + id);
    stride = 1;
  }
  return x;
}

SymbolicTensor average_pool(const SymbolicTensor& x, const std::string& name) {
  return AveragePooling2D({.pool_size = 3, .strides = 1, .padding = "same", .name = name})(x);
}

// Every other place, and in the other half of the filters the places between these.
SymbolicTensor halved(SymbolicTensor p, std::int64_t filters, const std::string& id) {
  const auto half = [&](const SymbolicTensor& x, const std::string& number) {
    const SymbolicTensor y = AveragePooling2D(
        {.pool_size = 1, .strides = 2, .name = "adjust_avg_pool_" + number + "_" + id})(x);
    return pointwise(y, filters / 2, "adjust_conv_" + number + "_" + id);
  };
  p = Activation({.activation = "relu", .name = "adjust_relu_1_" + id})(p);
  const SymbolicTensor even = half(p, "1");
  p = ZeroPadding2D({.padding = {{0, 1}, {0, 1}}})(p);
  p = Cropping2D({.cropping = {{1, 0}, {1, 0}}})(p);
  const SymbolicTensor odd = half(p, "2");
  return normalized(Concatenate()({even, odd}), "adjust_bn_" + id);
}

// `p` with the size of `x` and so many filters; in the first cell, which has none, `x`.
SymbolicTensor adjusted(const std::optional<SymbolicTensor>& p, const SymbolicTensor& x,
                        std::int64_t filters, const std::string& id) {
  if (!p) return x;
  if (p->shape()[-2] != x.shape()[-2]) return halved(*p, filters, id);
  if (p->shape()[-1] == filters) return *p;
  return relu_pointwise_bn(*p, filters, "adjust_conv_projection_" + id, "adjust_bn_" + id);
}

SymbolicTensor normal_cell(const SymbolicTensor& x, const SymbolicTensor& before,
                           std::int64_t filters, const std::string& id) {
  const auto named = [&](const std::string& part) { return "normal_" + part + "_" + id; };
  const auto conv = [&](const SymbolicTensor& from, std::int64_t kernel, const std::string& part) {
    return separable(from, filters, kernel, 1, named(part));
  };
  const auto add = [&](const SymbolicTensor& a, const SymbolicTensor& b, const std::string& part) {
    return Add({.name = named(part)})({a, b});
  };
  const SymbolicTensor p = adjusted(before, x, filters, id);
  const SymbolicTensor h = relu_pointwise_bn(x, filters, named("conv_1"), named("bn_1"));
  SymbolicTensor left = conv(h, 5, "left1"), right = conv(p, 3, "right1");
  const SymbolicTensor x1 = add(left, right, "add_1");
  left = conv(p, 5, "left2"), right = conv(p, 3, "right2");
  const SymbolicTensor x2 = add(left, right, "add_2");
  const SymbolicTensor x3 = add(average_pool(h, named("left3")), p, "add_3");
  left = average_pool(p, named("left4")), right = average_pool(p, named("right4"));
  const SymbolicTensor x4 = add(left, right, "add_4");
  const SymbolicTensor x5 = add(conv(h, 3, "left5"), h, "add_5");
  return Concatenate({.name = named("concat")})({p, x1, x2, x3, x4, x5});
}

SymbolicTensor reduction_cell(const SymbolicTensor& x, const std::optional<SymbolicTensor>& before,
                              std::int64_t filters, const std::string& id) {
  const auto named = [&](const std::string& part) { return "reduction_" + part + "_" + id; };
  const auto conv = [&](const SymbolicTensor& from, std::int64_t kernel, std::int64_t stride,
                        const std::string& part) {
    return separable(from, filters, kernel, stride, named(part));
  };
  const auto max_pool = [&](const SymbolicTensor& from, const std::string& part) {
    return MaxPooling2D({.pool_size = 3, .strides = 2, .name = named(part)})(from);
  };
  const auto add = [&](const SymbolicTensor& a, const SymbolicTensor& b, const std::string& name) {
    return Add({.name = name})({a, b});
  };
  const SymbolicTensor p = adjusted(before, x, filters, id);
  const SymbolicTensor h = relu_pointwise_bn(x, filters, named("conv_1"), named("bn_1"));
  const SymbolicTensor h3 =
      ZeroPadding2D({.padding = correct_pad(h, 3), .name = named("pad_1")})(h);
  SymbolicTensor left = conv(h, 5, 2, "left1"), right = conv(p, 7, 2, "right1");
  const SymbolicTensor x1 = add(left, right, named("add_1"));
  left = max_pool(h3, "left2"), right = conv(p, 7, 2, "right2");
  const SymbolicTensor x2 = add(left, right, named("add_2"));
  left = AveragePooling2D({.pool_size = 3, .strides = 2, .name = named("left3")})(h3);
  right = conv(p, 5, 2, "right3");
  const SymbolicTensor x3 = add(left, right, named("add3"));
  const SymbolicTensor x4 = add(x2, average_pool(x1, named("left4")), "");
  left = conv(x1, 3, 1, "left4"), right = max_pool(h3, "right5");
  const SymbolicTensor x5 = add(left, right, named("add4"));
  return Concatenate({.name = named("concat")})({x2, x3, x4, x5});
}

SymbolicTensor features(const SymbolicTensor& input, const Variant& variant) {
  SymbolicTensor x = Conv2D({.filters = variant.stem_filters,
                             .kernel_size = 3,
                             .strides = 2,
                             .use_bias = false,
                             .kernel_initializer = "he_normal",
                             .name = "stem_conv1"})(input);
  x = normalized(x, "stem_bn1");
  std::int64_t filters = variant.filters;
  SymbolicTensor p = x;
  x = reduction_cell(x, std::nullopt, filters / 4, "stem_1");
  p = std::exchange(x, reduction_cell(x, p, filters / 2, "stem_2"));
  for (std::int64_t group = 0; group < 3; ++group, filters *= 2) {
    std::int64_t number = group * variant.cells;
    if (group > 0) {
      const std::string id = "reduce_" + std::to_string(number++);
      const SymbolicTensor before = std::exchange(x, reduction_cell(x, p, filters, id));
      if (!variant.skips_reduced) p = before;
    }
    for (std::int64_t i = 0; i < variant.cells; ++i) {
      p = std::exchange(x, normal_cell(x, p, filters, std::to_string(number++)));
    }
  }
  return Activation({.activation = "relu"})(x);
}

std::shared_ptr<Functional> build(const Variant& variant, const Options& options) {
  takes_only(options, variant.function);
  const SymbolicTensor input = Input({.shape = image_shape(options, {variant.size, 32})});
  SymbolicTensor x = features(input, variant);
  x = options.include_top ? predictions(GlobalAveragePooling2D()(x), options) : pooled(x, options);
  return finish(input, x, options, variant.name,
                {.folder = "tensorflow/keras-applications/nasnet/",
                 .file = std::string(variant.file),
                 .without_top = "-no-top",
                 .kept_file = std::string(variant.name),
                 .kept_without_top = "_no_top"});
}

}  // namespace

std::shared_ptr<Functional> NASNetMobile(Options options) {
  if (!options.input_shape) options.input_shape = Shape{224, 224, 3};  // without a top, too
  return build(kVariants[0], options);
}
std::shared_ptr<Functional> NASNetLarge(Options options) {
  return build(kVariants[1], options);
}

}  // namespace lamina::applications
