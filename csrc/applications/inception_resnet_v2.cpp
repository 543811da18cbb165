#include "applications/inception.h"
#include "applications/parts.h"

// InceptionResNetV2: modules of parallel branches, most of which only add to their input, scaled
// down.
namespace lamina::applications {
namespace {

using namespace layers;

SymbolicTensor stem(const SymbolicTensor& input) {
  SymbolicTensor x = conv_units(input, {{32, 3, 2, "valid"}, {32, 3, 1, "valid"}, {64, 3}});
  x = largest(conv_units(largest(x), {{80, 1, 1, "valid"}, {192, 3, 1, "valid"}}));
  return joined({conv_units(x, {{96, 1}}), conv_units(x, {{48, 1}, {64, 5}}),
                 conv_units(x, {{64, 1}, {96, 3}, {96, 3}}), averaged(x, 64)},
                "mixed_5b");
}

// Modules whose branches' channels become those of `x`, to which they are added times `scale`.
struct Residuals {
  std::string name;  // "block35", for "block35_1" and so on
  int count;
  double scale;
  std::vector<std::vector<ConvUnit>> branches;
};

SymbolicTensor residual(const SymbolicTensor& x, const Residuals& residuals, double scale,
                        const std::string& name) {
  SymbolicTensors branches;
  for (const auto& units : residuals.branches) branches.push_back(conv_units(x, units));
  const SymbolicTensor up = Conv2D(
      {.filters = x.shape()[-1], .kernel_size = 1, .padding = "same", .name = name + "_conv"})(
      joined(branches, name + "_mixed"));
  return CustomScaleLayer({.scale = scale})({x, up});
}

SymbolicTensor add_all(SymbolicTensor x, const Residuals& residuals) {
  for (int i = 1; i <= residuals.count; ++i) {
    const std::string name = residuals.name + "_" + std::to_string(i);
    x = residual(x, residuals, residuals.scale, name);
    x = Activation({.activation = "relu", .name = name + "_ac"})(x);
  }
  return x;
}

}  // namespace

std::shared_ptr<Functional> InceptionResNetV2(Options options) {
  takes_only(options, "InceptionResNetV2");
  const SymbolicTensor input = Input({.shape = image_shape(options, {299, 75})});
  SymbolicTensor x = stem(input);
  x = add_all(x,
              {"block35", 10, 0.17, {{{32, 1}}, {{32, 1}, {32, 3}}, {{32, 1}, {48, 3}, {64, 3}}}});
  x = joined({conv_units(x, {{384, 3, 2, "valid"}}),
              conv_units(x, {{256, 1}, {256, 3}, {384, 3, 2, "valid"}}), largest(x)},
             "mixed_6a");
  x = add_all(x, {"block17", 20, 0.1, {{{192, 1}}, {{128, 1}, {160, {1, 7}}, {192, {7, 1}}}}});
  x = joined({conv_units(x, {{256, 1}, {384, 3, 2, "valid"}}),
              conv_units(x, {{256, 1}, {288, 3, 2, "valid"}}),
              conv_units(x, {{256, 1}, {288, 3}, {320, 3, 2, "valid"}}), largest(x)},
             "mixed_7a");
  const Residuals last{"block8", 9, 0.2, {{{192, 1}}, {{192, 1}, {224, {1, 3}}, {256, {3, 1}}}}};
  x = residual(add_all(x, last), last, 1.0, "block8_10");
  x = conv_units(x, {{1536, 1, 1, "same", "conv_7b"}});
  return finish(input, classified(x, options), options, "inception_resnet_v2",
                tf_kernels("inception_resnet_v2", "inception_resnet_v2"));
}

}  // namespace lamina::applications
