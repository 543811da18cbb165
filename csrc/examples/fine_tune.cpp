// A new head on an EfficientNetV2B0 whose weights Keras wrote:
//
//     base = keras.applications.EfficientNetV2B0(include_top=False, pooling="avg")  # ImageNet
//     base.save_weights("b0.weights.h5")
//
//     example_fine_tune b0.weights.h5 images.npy labels.npy tuned.weights.h5
//
// Images (n, 224, 224, 3) of 0 to 255, labels (n) from 0. First the head alone learns, then with
// it, slowly, the last block of the base. Keras loads the result into the same model.
#include <lamina/lamina.h>

#include <algorithm>
#include <cstdio>
#include <exception>

using namespace lamina;

namespace {

void fine_tune(const char* base_weights, const char* images_file, const char* labels_file,
               const char* tuned_weights) {
  const Tensor images = read_npy(images_file).cast(DType::kFloat32);
  const Tensor labels = read_npy(labels_file).cast(DType::kInt64);
  const auto classes = 1 + *std::ranges::max_element(labels.data<std::int64_t>());

  auto base = applications::EfficientNetV2B0({.include_top = false, .pooling = "avg"});
  base->load_weights(base_weights);
  base->set_trainable(false);

  auto x = layers::Input({.shape = {224, 224, 3}});
  auto y = layers::Dense({.units = classes})((*base)(x));
  auto model = Functional::create(x, y);

  const auto loss = losses::SparseCategoricalCrossentropy({.from_logits = true});
  model->compile({.optimizer = optimizers::Adam(), .loss = loss, .metrics = {"accuracy"}});
  model->fit(images, labels, {.batch_size = 16, .epochs = 2});

  base->set_trainable(true);
  for (const LayerPtr& layer : base->layers()) {
    layer->set_trainable(layer->name().starts_with("block6") &&
                         layer->class_name() != "BatchNormalization");
  }
  model->compile({.optimizer = optimizers::Adam({.learning_rate = 1e-5}),
                  .loss = loss,
                  .metrics = {"accuracy"}});
  model->fit(images, labels, {.batch_size = 16, .epochs = 1});
  model->save_weights(tuned_weights);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s BASE.weights.h5 IMAGES.npy LABELS.npy TUNED.weights.h5\n",
                 argv[0]);
    return 2;
  }
  try {
    fine_tune(argv[1], argv[2], argv[3], argv[4]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
