// Layers that prepare images, and change them at random: those draw as often as they are run, but
// from one state.
#include "tests/training/graph/gradient_rows.h"

namespace lamina::training::testkit {
namespace {

Case resizing(Random& random) {
  const bool crops = coin(random), first = coin(random);
  return {layers::Resizing({.height = pick(random, 1, 12),
                            .width = pick(random, 1, 12),
                            .interpolation = one_of<std::string>(
                                random, {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"}),
                            .crop_to_aspect_ratio = crops,
                            .pad_to_aspect_ratio = !crops && coin(random),
                            .antialias = coin(random),
                            .data_format = format(first)}),
          {image(random, 2, first)}};
}

Case center_crop(Random& random) {
  const bool first = coin(random);
  return {layers::CenterCrop({.height = pick(random, 1, 12),
                              .width = pick(random, 1, 12),
                              .data_format = format(first)}),
          {image(random, 2, first)}};
}

Case random_crop(Random& random) {
  const bool first = coin(random);
  return {layers::RandomCrop({.height = pick(random, 1, 12),
                              .width = pick(random, 1, 12),
                              .data_format = format(first)}),
          {image(random, 2, first)}};
}

Case flip(Random& random) {
  const bool first = coin(random);
  return {layers::RandomFlip({.mode = one_of<std::string>(
                                  random, {"horizontal", "vertical", "horizontal_and_vertical"}),
                              .data_format = format(first)}),
          {image(random, 2, first)}};
}

/// With random options of what all have that take each place from another one.
template <class Options>
Case sampled(Random& random, LayerRef (*layer)(Options), Options options) {
  const bool first = coin(random);
  options.fill_mode = one_of<std::string>(random, {"reflect", "wrap", "constant", "nearest"});
  options.interpolation = coin(random) ? "nearest" : "bilinear";
  options.fill_value = 0.5;
  options.data_format = format(first);
  return {layer(std::move(options)), {image(random, 2, first)}};
}

}  // namespace

std::vector<Row> rows_of_images() {
  using namespace layers;
  return {{"Resizing", resizing},
          {"CenterCrop", center_crop},
          {"RandomCrop", random_crop},
          {"RandomFlip", flip},
          {"RandomTranslation",
           [](Random& random) {
             return sampled<RandomTranslationOptions>(
                 random, RandomTranslation, {.height_factor = 0.6, .width_factor = {-0.2, 0.5}});
           }},
          {"RandomRotation",
           [](Random& random) {
             return sampled<RandomRotationOptions>(random, RandomRotation, {.factor = 0.4});
           }},
          {"RandomZoom",
           [](Random& random) {
             return sampled<RandomZoomOptions>(random, RandomZoom, {.height_factor = {-0.5, 0.9}});
           }},
          {"RandomBrightness",
           [](Random& random) {
             return Case{RandomBrightness({.factor = 0.4, .value_range = {-2, 2}}),
                         {image(random, 2, false)}};
           }},
          {"RandomContrast", [](Random& random) {
             const bool first = coin(random);
             return Case{RandomContrast(
                             {.factor = 0.8, .value_range = {-2, 2}, .data_format = format(first)}),
                         {image(random, 2, first)}};
           }}};
}

}  // namespace lamina::training::testkit
