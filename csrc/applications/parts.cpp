#include "applications/parts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace lamina::applications {
namespace {

// What only some models have, and whether it is set.
struct Extra {
  std::string_view name;
  bool (*set)(const Options&);
};

constexpr auto kExtras = std::to_array<Extra>({
    {"include_preprocessing", [](const Options& o) { return o.include_preprocessing.has_value(); }},
    {"alpha", [](const Options& o) { return o.alpha.has_value(); }},
    {"depth_multiplier", [](const Options& o) { return o.depth_multiplier.has_value(); }},
    {"dropout", [](const Options& o) { return o.dropout.has_value(); }},
    {"dropout_rate", [](const Options& o) { return o.dropout_rate.has_value(); }},
    {"minimalistic", [](const Options& o) { return o.minimalistic.has_value(); }},
});

}  // namespace

Shape image_shape(const Options& options, ImageSize size) {
  if (!options.input_shape) {
    return options.include_top ? Shape{size.own, size.own, 3} : Shape{kNone, kNone, 3};
  }
  const Shape& shape = *options.input_shape;
  if (of_imagenet(options) && options.include_top && shape != Shape{size.own, size.own, 3}) {
    throw ValueError(
        "When setting `include_top=True` and loading `imagenet` weights, `input_shape` should be " +
        Shape{size.own, size.own, 3}.str() + ".  Received: input_shape=" + shape.str());
  }
  if (shape.rank() != 3) throw ValueError("`input_shape` must be a tuple of three integers.");
  if (of_imagenet(options) && shape[2] != 3) {
    throw ValueError("The input must have 3 channels; Received `input_shape=" + shape.str() + "`");
  }
  for (const int axis : {0, 1}) {
    if (shape[axis] != kNone && shape[axis] < size.smallest) {
      const std::string smallest = std::to_string(size.smallest);
      throw ValueError("Input size must be at least " + smallest + "x" + smallest +
                       "; Received: input_shape=" + shape.str());
    }
    if (options.include_top && shape[axis] == kNone) {
      throw ValueError(
          "If `include_top` is True, you should specify a static `input_shape`. Received: "
          "input_shape=" +
          shape.str());
    }
  }
  if (shape[2] <= 0)
    throw ValueError("`input_shape` needs a number of channels; Received: " + shape.str());
  return shape;
}

void takes_only(const Options& options, std::string_view function,
                std::initializer_list<std::string_view> own) {
  for (const Extra& extra : kExtras) {
    if (!extra.set(options) || std::ranges::find(own, extra.name) != own.end()) continue;
    throw ValueError(std::string(function) + "() got an unexpected keyword argument '" +
                     std::string(extra.name) + "'");
  }
  check_weights(options);
}

SymbolicTensor pooled(const SymbolicTensor& x, const Options& options,
                      const std::string& average_name, const std::string& max_name) {
  if (options.pooling == "avg") return layers::GlobalAveragePooling2D({.name = average_name})(x);
  if (options.pooling == "max") return layers::GlobalMaxPooling2D({.name = max_name})(x);
  if (options.pooling.empty()) return x;
  throw ValueError("`pooling` must be \"avg\", \"max\" or empty; Received: " + options.pooling);
}

SymbolicTensor predictions(const SymbolicTensor& x, const Options& options) {
  return layers::Dense({.units = options.classes,
                        .activation = options.classifier_activation,
                        .name = "predictions"})(x);
}

SymbolicTensor classified(const SymbolicTensor& x, const Options& options,
                          const std::string& average_name, const std::string& max_name) {
  if (!options.include_top) return pooled(x, options, average_name, max_name);
  return predictions(layers::GlobalAveragePooling2D({.name = "avg_pool"})(x), options);
}

layers::Padding2D correct_pad(const SymbolicTensor& x, std::int64_t size) {
  const bool known = x.shape()[1] != kNone;
  if (known && x.shape()[2] == kNone) {
    throw ValueError(
        "Of an image with a known height the width has to be known as well; Received: " +
        x.shape().str());
  }
  const auto axis = [&](int index) {
    const std::int64_t odd = known ? x.shape()[index] % 2 : 0;
    return layers::IntPair(size / 2 - (1 - odd), size / 2);
  };
  return {axis(1), axis(2)};
}

std::int64_t whole(double filters) {
  if (!(std::abs(filters) < 1e12)) {
    throw ValueError(fmt::format("A convolution cannot have {} filters", filters));
  }
  return static_cast<std::int64_t>(filters);
}

std::int64_t divisible_by_eight(double filters) {
  const std::int64_t rounded = std::max<std::int64_t>(8, whole(filters + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * filters ? rounded + 8 : rounded;
}

std::string name_with_alpha(std::string_view prefix, double alpha, std::int64_t rows) {
  return fmt::format("{}_{:.2f}_{}", prefix, alpha, rows == kNone ? "None" : std::to_string(rows));
}

std::int64_t trained_rows(const Shape& batch_shape, std::span<const std::int64_t> sizes) {
  const std::int64_t rows = batch_shape[1];
  if (rows == batch_shape[2] && std::ranges::find(sizes, rows) != sizes.end()) return rows;
  warn(fmt::format(
      "`input_shape` is undefined or non-square, or `rows` is not {}. Weights for input "
      "shape (224, 224) will be loaded as the default.",
      sizes.size() == 1 ? "224" : fmt::format("in [{}]", fmt::join(sizes, ", "))));
  return 224;
}

std::int64_t trained_size(const Options& options, std::span<const std::int64_t> sizes) {
  if (!options.input_shape || options.input_shape->rank() != 3) return 224;
  const Shape& shape = *options.input_shape;
  const bool trained = shape[0] == shape[1] && std::ranges::find(sizes, shape[0]) != sizes.end();
  return trained ? shape[0] : 224;
}

std::shared_ptr<Functional> finish(const SymbolicTensor& input, const SymbolicTensor& output,
                                   const Options& options, std::string_view name,
                                   const Published& published) {
  auto model = Functional::create(
      {input}, {output}, {.name = options.name.empty() ? std::string(name) : options.name});
  load_trained(*model, options, published);
  return model;
}

}  // namespace lamina::applications
