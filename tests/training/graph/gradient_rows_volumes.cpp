// Layers of three spatial axes, with random options.
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training::testkit {
namespace {

Case conv3d(Random& random) {
  const std::int64_t groups = pick(random, 1, 2);
  const bool strided = coin(random), first = coin(random);
  return {layers::Conv3D({.filters = 2 * groups,
                          .kernel_size = triple(random, 1, 3),
                          .strides = strided ? triple(random, 1, 3) : 1,
                          .padding = padding(random),
                          .data_format = format(first),
                          .groups = groups,
                          .activation = activation(random),
                          .use_bias = coin(random)}),
          {volume(random, 2 * groups, first)}};
}

/// Windows that lie side by side, over columns that they do not fill.
Case patches(Random& random) {
  const IntTriple size = triple(random, 2, 3);
  return {layers::Conv3D({.filters = 4,
                          .kernel_size = size,
                          .strides = size,
                          .padding = padding(random),
                          .groups = 2}),
          {volume(random, 2, false)}};
}

Case dilated(Random& random) {
  return {layers::Conv3D({.filters = 2,
                          .kernel_size = 2,
                          .padding = padding(random),
                          .dilation_rate = triple(random, 1, 2)}),
          {volume(random, 2, false)}};
}

Case transposed(Random& random) {
  const bool strided = coin(random);
  layers::Conv3DTransposeOptions options{.filters = pick(random, 1, 2),
                                         .kernel_size = triple(random, 1, 3),
                                         .strides = strided ? triple(random, 1, 3) : 1,
                                         .padding = padding(random),
                                         .dilation_rate = strided ? 1 : triple(random, 1, 2),
                                         .activation = activation(random),
                                         .use_bias = coin(random)};
  if (coin(random)) {
    options.output_padding = {pick(random, 0, options.strides.first - 1),
                              pick(random, 0, options.strides.second - 1),
                              pick(random, 0, options.strides.third - 1)};
  }
  return {layers::Conv3DTranspose(options), {{2, 2, 2, pick(random, 2, 4), 2}}};
}

template <class Options>
std::function<Case(Random&)> pooling(LayerRef (*layer)(Options)) {
  return [layer](Random& random) {
    const bool first = coin(random);
    Options options{.pool_size = triple(random, 1, 3),
                    .padding = padding(random),
                    .data_format = format(first)};
    if (coin(random)) options.strides = triple(random, 1, 3);
    return Case{layer(options), {volume(random, 2, first)}};
  };
}

template <class Options>
std::function<Case(Random&)> global(LayerRef (*layer)(Options)) {
  return [layer](Random& random) {
    const bool first = coin(random);
    return Case{layer({.data_format = format(first), .keepdims = coin(random)}),
                {volume(random, 3, first)}};
  };
}

Case zero_padding(Random& random) {
  return {layers::ZeroPadding3D(
              {.padding = {pair(random, 0, 1), pair(random, 0, 1), pair(random, 0, 1)}}),
          {volume(random, 2, false)}};
}

Case cropping(Random& random) {
  const bool first = coin(random);
  return {layers::Cropping3D({.cropping = {pair(random, 0, 1), pair(random, 0, 1), {1, 0}},
                              .data_format = format(first)}),
          {volume(random, 2, first)}};
}

Case up_sampling(Random& random) {
  const bool first = coin(random);
  return {layers::UpSampling3D({.size = triple(random, 1, 2), .data_format = format(first)}),
          {volume(random, 2, first)}};
}

Case spatial_dropout(Random& random) {
  const bool first = coin(random);
  return {layers::SpatialDropout3D({.rate = 0.4, .data_format = format(first)}),
          {volume(random, 3, first)}};
}

}  // namespace

std::vector<Row> rows_of_volumes() {
  return {
      {"Conv3D", conv3d},
      {"Conv3DOfPatches", patches},
      {"Conv3DDilated", dilated},
      {"Conv3DTranspose", transposed},
      {"MaxPooling3D", pooling(layers::MaxPooling3D)},
      {"AveragePooling3D", pooling(layers::AveragePooling3D)},
      {"GlobalMaxPooling3D", global(layers::GlobalMaxPooling3D)},
      {"GlobalAveragePooling3D", global(layers::GlobalAveragePooling3D)},
      {"ZeroPadding3D", zero_padding},
      {"Cropping3D", cropping},
      {"UpSampling3D", up_sampling},
      {"SpatialDropout3D", spatial_dropout},
  };
}

}  // namespace lamina::training::testkit
