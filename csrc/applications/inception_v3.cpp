#include "applications/inception.h"
#include "applications/parts.h"

// InceptionV3: modules of parallel branches, "mixed0" to "mixed10".
namespace lamina::applications {
namespace {

SymbolicTensor stem(const SymbolicTensor& input) {
  const SymbolicTensor x = conv_units(input, {{32, 3, 2, "valid"}, {32, 3, 1, "valid"}, {64, 3}});
  return largest(conv_units(largest(x), {{80, 1, 1, "valid"}, {192, 3, 1, "valid"}}));
}

SymbolicTensor with_5x5(const SymbolicTensor& x, std::int64_t averages, const std::string& name) {
  return joined({conv_units(x, {{64, 1}}), conv_units(x, {{48, 1}, {64, 5}}),
                 conv_units(x, {{64, 1}, {96, 3}, {96, 3}}), averaged(x, averages)},
                name);
}

// Of 7x7 kernels a row after a column; `width` channels on the way.
SymbolicTensor with_7x7(const SymbolicTensor& x, std::int64_t width, const std::string& name) {
  return joined(
      {conv_units(x, {{192, 1}}), conv_units(x, {{width, 1}, {width, {1, 7}}, {192, {7, 1}}}),
       conv_units(x,
                  {{width, 1}, {width, {7, 1}}, {width, {1, 7}}, {width, {7, 1}}, {192, {1, 7}}}),
       averaged(x, 192)},
      name);
}

// A row beside a column.
SymbolicTensor fork(const SymbolicTensor& x, const std::string& name = {}) {
  return joined({conv_units(x, {{384, {1, 3}}}), conv_units(x, {{384, {3, 1}}})}, name);
}

SymbolicTensor with_forks(const SymbolicTensor& x, int index) {
  const SymbolicTensor ones = conv_units(x, {{320, 1}});
  const SymbolicTensor shallow = fork(conv_units(x, {{384, 1}}), "mixed9_" + std::to_string(index));
  const SymbolicTensor deep = fork(conv_units(x, {{448, 1}, {384, 3}}));
  return joined({ones, shallow, deep, averaged(x, 192)}, "mixed" + std::to_string(9 + index));
}

}  // namespace

std::shared_ptr<Functional> InceptionV3(Options options) {
  takes_only(options, "InceptionV3");
  const SymbolicTensor input = layers::Input({.shape = image_shape(options, {299, 75})});
  SymbolicTensor x = stem(input);
  x = with_5x5(x, 32, "mixed0");
  x = with_5x5(x, 64, "mixed1");
  x = with_5x5(x, 64, "mixed2");
  x = joined({conv_units(x, {{384, 3, 2, "valid"}}),
              conv_units(x, {{64, 1}, {96, 3}, {96, 3, 2, "valid"}}), largest(x)},
             "mixed3");
  x = with_7x7(x, 128, "mixed4");
  x = with_7x7(x, 160, "mixed5");
  x = with_7x7(x, 160, "mixed6");
  x = with_7x7(x, 192, "mixed7");
  x = joined(
      {conv_units(x, {{192, 1}, {320, 3, 2, "valid"}}),
       conv_units(x, {{192, 1}, {192, {1, 7}}, {192, {7, 1}}, {192, 3, 2, "valid"}}), largest(x)},
      "mixed8");
  x = with_forks(x, 0);
  x = with_forks(x, 1);
  return finish(input, classified(x, options), options, "inception_v3",
                tf_kernels("inception_v3", "inception_v3"));
}

}  // namespace lamina::applications
