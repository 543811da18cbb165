// Every layer's gradients against central differences in float64, with fresh random options.
#include <functional>
#include <set>

#include "layers/config/registry.h"
#include "tests/training/graph/gradient_check.h"
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training {
namespace {

using namespace testkit;

Case batch_normalization(Random& random) {
  const Shape shape = one_of<Shape>(random, {{9, 4}, {2, 3, 4, 5}, {3, 7, 2}});
  const auto rank = static_cast<std::int64_t>(shape.rank());
  return {layers::BatchNormalization({.axis = coin(random) ? -1 : pick(random, 1, rank - 1),
                                      .center = coin(random),
                                      .scale = coin(random)}),
          {shape}};
}

Case layer_normalization(Random& random) {
  return {layers::LayerNormalization(
              {.axis = one_of<layers::Axes>(random, {{-1}, {1}, {1, 2}, {2, 3}, {1, 3}}),
               .center = coin(random),
               .scale = coin(random)}),
          {{2, 3, 4, 5}}};
}

Case rms_normalization(Random& random) {
  if (coin(random)) return {layers::RMSNormalization({.axis = 1}), {{2, 4, 4}}};
  return {layers::RMSNormalization(
              {.axis = one_of<layers::Axes>(random, {{-1}, {2, 3}, {1, 2, 3}, {3, -2}}),
               .epsilon = 0.01}),
          {{2, 3, 4, 5}}};
}

Case group_normalization(Random& random) {
  return {layers::GroupNormalization({.groups = one_of<std::int64_t>(random, {-1, 1, 2, 3}),
                                      .axis = one_of<std::int64_t>(random, {1, 2, -1}),
                                      .epsilon = 0.01,
                                      .center = coin(random),
                                      .scale = coin(random)}),
          {{2, 6, 6, 6}}};
}

Case unit_normalization(Random& random) {
  return {layers::UnitNormalization(
              {.axis = one_of<layers::Axes>(random, {{-1}, {1}, {1, 2}, {3, -2}})}),
          {{2, 3, 4, 5}}};
}

template <class Options>
Options window(Random& random) {
  return {.pool_size = pair(random, 1, 3),
          .strides = coin(random) ? std::optional(pair(random, 1, 3)) : std::nullopt,
          .padding = padding(random)};
}

Case max_pooling(Random& random) {
  return {layers::MaxPooling2D(window<layers::MaxPooling2DOptions>(random)),
          {image(random, 3, false)}};
}
Case average_pooling(Random& random) {
  return {layers::AveragePooling2D(window<layers::AveragePooling2DOptions>(random)),
          {image(random, 3, false)}};
}
template <class Options>
Options window_1d(Random& random) {
  return {.pool_size = pick(random, 1, 3),
          .strides = coin(random) ? std::optional(pick(random, 1, 4)) : std::nullopt,
          .padding = padding(random)};
}
Case max_pooling_1d(Random& random) {
  return {layers::MaxPooling1D(window_1d<layers::MaxPooling1DOptions>(random)), {{2, 9, 3}}};
}
template <class Options>
Case adaptive(Random& random, LayerRef (*make)(Options), const Shape& input) {
  Options options;
  options.output_size = pick(random, 1, 6);
  return {make(std::move(options)), {input}};
}

Case average_pooling_1d(Random& random) {
  return {layers::AveragePooling1D(window_1d<layers::AveragePooling1DOptions>(random)),
          {{2, 9, 3}}};
}

template <class Options>
Case global_1d(Random& random, LayerRef (*layer)(Options)) {
  return {layer({.data_format = format(coin(random)), .keepdims = coin(random)}), {{2, 5, 4}}};
}

Case up_sampling(Random& random) {
  const bool first = coin(random);
  return {layers::UpSampling2D(
              {.size = pair(random, 1, 3),
               .data_format = format(first),
               .interpolation = one_of<std::string>(
                   random, {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"})}),
          {image(random, 2, first)}};
}

Case zero_padding(Random& random) {
  return {layers::ZeroPadding2D({.padding = {pair(random, 0, 2), pair(random, 0, 2)}}),
          {image(random, 2, false)}};
}

Case cropping(Random& random) {
  return {layers::Cropping2D({.cropping = {pair(random, 0, 1), pair(random, 0, 1)}}),
          {image(random, 2, false)}};
}

/// A layer on (batch, steps, channels).
template <class Options>
std::function<Case(Random&)> of_steps(LayerRef (*make)(Options), Options options) {
  return [make, options](Random& random) {
    return Case{make(options), {{pick(random, 1, 3), pick(random, 4, 7), pick(random, 1, 3)}}};
  };
}

Case merge(Random& random, LayerRef (*layer)(layers::MergeOptions)) {
  const bool broadcast = coin(random);
  return {layer({}), {{2, 3, 4, 5}, broadcast ? Shape{2, 1, 4, 1} : Shape{2, 3, 4, 5}}};
}

Case concatenate(Random& random) {
  const std::int64_t axis = pick(random, 1, 3);
  std::vector<Shape> shapes(3, Shape{2, 3, 4, 5});
  for (Shape& shape : shapes) shape[axis] = pick(random, 1, 4);
  return {layers::Concatenate({.axis = axis}), shapes};
}

Case custom_scale(Random& random) {
  const bool broadcast = coin(random);
  return {layers::CustomScaleLayer({.scale = -0.7}),
          {{2, 3, 4, 5}, broadcast ? Shape{2, 1, 4, 1} : Shape{2, 3, 4, 5}}};
}

Case prelu(Random& random) {
  return {layers::PReLU({.shared_axes = one_of<layers::Axes>(random, {{}, {1}, {1, 2}, {3}})}),
          {{2, 3, 4, 5}}};
}

/// No random options: a layer made by `make` on (2, 3, 4, 5).
template <class Make>
std::function<Case(Random&)> plain(Make make) {
  return [make](Random&) { return Case{make(), {{2, 3, 4, 5}}}; };
}

std::vector<Row> rows() {
  using namespace layers;
  std::vector<Row> rows{
      {"Dense",
       [](Random& random) {
         return Case{layers::Dense({.units = pick(random, 1, 5),
                                    .activation = activation(random),
                                    .use_bias = coin(random)}),
                     {one_of<Shape>(random, {{3, 4}, {2, 3, 4}})}};
       }},
      {"BatchNormalization", batch_normalization},
      {"LayerNormalization", layer_normalization},
      {"RMSNormalization", rms_normalization},
      {"GroupNormalization", group_normalization},
      {"UnitNormalization", unit_normalization},
      {"MaxPooling2D", max_pooling},
      {"AveragePooling2D", average_pooling},
      {"MaxPooling1D", max_pooling_1d},
      {"AveragePooling1D", average_pooling_1d},
      {"AdaptiveAveragePooling1D",
       [](Random& random) {
         return adaptive(random, AdaptiveAveragePooling1D, {2, 7, 3});
       }},
      {"AdaptiveAveragePooling2D",
       [](Random& random) {
         return adaptive(random, AdaptiveAveragePooling2D, {2, 7, 4, 3});
       }},
      {"AdaptiveAveragePooling3D",
       [](Random& random) {
         return adaptive(random, AdaptiveAveragePooling3D, {2, 4, 3, 5, 2});
       }},
      {"AdaptiveMaxPooling1D",
       [](Random& random) {
         return adaptive(random, AdaptiveMaxPooling1D, {2, 7, 3});
       }},
      {"AdaptiveMaxPooling2D",
       [](Random& random) {
         return adaptive(random, AdaptiveMaxPooling2D, {2, 7, 4, 3});
       }},
      {"AdaptiveMaxPooling3D",
       [](Random& random) {
         return adaptive(random, AdaptiveMaxPooling3D, {2, 4, 3, 5, 2});
       }},
      {"UpSampling2D", up_sampling},
      {"ZeroPadding2D", zero_padding},
      {"ZeroPadding1D", of_steps<ZeroPadding1DOptions>(ZeroPadding1D, {.padding = {1, 2}})},
      {"Cropping2D", cropping},
      {"Cropping1D", of_steps<Cropping1DOptions>(Cropping1D, {.cropping = {2, 1}})},
      {"UpSampling1D", of_steps<UpSampling1DOptions>(UpSampling1D, {.size = 3})},
      {"Concatenate", concatenate},
      {"CustomScaleLayer", custom_scale},
      {"PReLU", prelu},
      {"GlobalAveragePooling1D",
       [](Random& random) { return global_1d(random, GlobalAveragePooling1D); }},
      {"GlobalMaxPooling1D", [](Random& random) { return global_1d(random, GlobalMaxPooling1D); }},
      {"GlobalAveragePooling2D", plain([] { return GlobalAveragePooling2D(); })},
      {"GlobalMaxPooling2D", plain([] { return GlobalMaxPooling2D({.keepdims = true}); })},
      {"Flatten", plain([] { return Flatten(); })},
      {"Reshape", plain([] {
         return Reshape({.target_shape = {5, 12}});
       })},
      {"Permute", plain([] {
         return Permute({.dims = {3, 1, 2}});
       })},
      {"RepeatVector",
       [](Random& random) {
         return Case{layers::RepeatVector({.n = pick(random, 1, 4)}), {{3, pick(random, 1, 5)}}};
       }},
      {"Dropout", plain([] { return Dropout({.rate = 0.4}); })},
      {"SpatialDropout1D",
       [](Random&) {
         return Case{layers::SpatialDropout1D({.rate = 0.4}), {{3, 4, 5}}};
       }},
      {"SpatialDropout2D", plain([] { return SpatialDropout2D({.rate = 0.4}); })},
      {"AlphaDropout", plain([] { return AlphaDropout({.rate = 0.4}); })},
      // With one column the norm does not depend on where the iteration has come to, which counts
      // as constant.
      {"SpectralNormalization", plain([] {
         return SpectralNormalization({.layer = layers::Dense({.units = 1, .activation = "tanh"})});
       })},
      {"GaussianNoise", plain([] { return GaussianNoise({.stddev = 0.4}); })},
      {"GaussianDropout", plain([] { return GaussianDropout({.rate = 0.4}); })},
      {"ActivityRegularization",
       plain([] { return ActivityRegularization({.l1 = 0.1, .l2 = 0.2}); })},
      {"Identity", plain([] { return Identity(); })},
      {"LayerScale", plain([] { return LayerScale({.init_values = 0.1, .projection_dim = 5}); })},
      {"StochasticDepth", plain([] { return StochasticDepth({.drop_path_rate = 0.4}); })},
      {"Masking", plain([] { return Masking({.mask_value = 0.5}); })},
      {"Rescaling", plain([] { return Rescaling({.scale = 0.3, .offset = 1.0}); })},
      {"Normalization", plain([] { return Normalization(); })},
      {"ReLU",
       plain([] { return ReLU({.max_value = 1.2, .negative_slope = 0.1, .threshold = 0.3}); })},
      {"ReLU6", plain([] { return ReLU({.max_value = 1.0}); })},
      {"LeakyReLU", plain([] { return LeakyReLU(); })},
      {"ELU", plain([] { return ELU({.alpha = 0.7}); })},
      {"Softmax", plain([] {
         return Softmax({.axis = {1, 3}});
       })},
      {"GeluApproximate",
       plain([] { return Activation({.activation = ActivationFunction::gelu(true)}); })},
  };
  for (const auto& more : {rows_of_convolutions(), rows_of_volumes(), rows_of_attention(),
                           rows_of_recurrence(), rows_of_images()}) {
    rows.insert(rows.end(), more.begin(), more.end());
  }
  for (const auto& [name, layer] :
       std::vector<std::pair<std::string, LayerRef (*)(MergeOptions)>>{{"Add", Add},
                                                                       {"Multiply", Multiply},
                                                                       {"Average", Average},
                                                                       {"Maximum", Maximum},
                                                                       {"Minimum", Minimum},
                                                                       {"Subtract", Subtract}}) {
    const auto make = layer;
    rows.push_back({name, [make](Random& random) { return merge(random, make); }});
  }
  for (const char* name :
       {"elu", "selu", "silu", "gelu", "sigmoid", "hard_sigmoid", "hard_silu", "tanh", "softplus",
        "softsign", "exponential", "mish", "softmax", "log_softmax", "relu6"}) {
    rows.push_back({std::string("Activation_") + name,
                    plain([name] { return Activation({.activation = name}); })});
  }
  return rows;
}

class GradientOfALayer : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override { set_dtype_policy("float64"); }
  void TearDown() override { set_dtype_policy("float32"); }
};

TEST_P(GradientOfALayer, EqualsCentralDifferences) {
  Seeded random;
  SCOPED_TRACE(random.note());
  for (int i = 0; i < 4 && !HasFailure(); ++i) {
    const Case made = GetParam().make(*random);
    const ModelPtr model = model_of(made.layer, made.inputs);
    randomize(*model, *random);
    std::vector<Tensor> inputs;
    for (const Shape& shape : made.inputs) {
      SCOPED_TRACE(shape.str());
      inputs.push_back(random_normal(shape, DType::kFloat64, *random));
    }
    expect_gradients(*model, inputs, *random);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GradientOfALayer, testing::ValuesIn(rows()),
                         [](const auto& info) { return info.param.name; });

TEST(GradientOfALayer, EveryLayerHasARow) {
  Seeded random;
  // The first has no gradient, the next two take no floats: their tests are the next ones. The
  // others give what does not depend on a little more or less.
  std::set<std::string> seen{"InputLayer", "Embedding", "ReversibleEmbedding", "CategoryEncoding",
                             "Discretization"};
  for (const Row& row : rows()) seen.insert(layers::exported_name(*row.make(*random).layer));
  for (const std::string& name : layers::registered_layers()) {
    EXPECT_TRUE(seen.contains(name)) << name;
  }
}

TEST(GradientOfALayer, EmbeddingAddsUpWhatEachRowReceived) {
  set_dtype_policy("float64");
  Seeded random;
  SCOPED_TRACE(random.note());
  const auto ids = layers::Input({.dtype = "int32", .batch_shape = Shape{3, 4}});
  const auto model =
      Functional::create(ids, layers::Embedding({.input_dim = 5, .output_dim = 3})(ids));
  randomize(*model, *random);
  expect_gradients(*model, {random_ids({3, 4}, 5, DType::kInt32, *random)}, *random);
  set_dtype_policy("float32");
}

TEST(GradientOfALayer, ReversibleEmbeddingHasThatOfBothItsCalls) {
  set_dtype_policy("float64");
  Seeded random;
  SCOPED_TRACE(random.note());
  for (const bool tied : {true, false}) {
    const auto ids = layers::Input({.dtype = "int32", .batch_shape = Shape{3, 4}});
    const LayerRef layer = layers::ReversibleEmbedding(
        {.input_dim = 5, .output_dim = 3, .tie_weights = tied, .logit_soft_cap = 1.3});
    const auto model = Functional::create(ids, layer(layer(ids), {{"reverse", true}}));
    randomize(*model, *random);
    expect_gradients(*model, {random_ids({3, 4}, 5, DType::kInt32, *random)}, *random);
  }
  set_dtype_policy("float32");
}

}  // namespace
}  // namespace lamina::training
