#include "applications/trained_weights.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <cerrno>
#include <cstdlib>

namespace lamina::applications {
namespace {

// Keras's `config.keras_home()`, and of its `get_file` the folder for models.
std::filesystem::path models_of_keras() {
  const char* own = std::getenv("KERAS_HOME");
  if (own != nullptr && *own != '\0') return std::filesystem::path(own) / "models";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "" : home) / ".keras" / "models";
}

}  // namespace

Published tf_kernels(std::string_view folder, std::string_view name) {
  return {.folder = fmt::format("tensorflow/keras-applications/{}/", folder),
          .file = fmt::format("{}_weights_tf_dim_ordering_tf_kernels", name)};
}

bool of_imagenet(const Options& options) {
  return options.weights == "imagenet";
}

void check_weights(const Options& options) {
  if (options.weights.empty()) return;
  std::error_code unreadable;
  if (!of_imagenet(options) && !std::filesystem::exists(options.weights, unreadable)) {
    throw ValueError(
        "The `weights` argument should be either `None` (random initialization), 'imagenet' "
        "(pre-training on ImageNet), or the path to the weights file to be loaded.  Received: "
        "weights=" +
        options.weights);
  }
  if (!options.include_top) return;
  if (of_imagenet(options) && options.classes != 1000) {
    throw ValueError(fmt::format(
        "If using `weights='imagenet'` with `include_top=True`, `classes` should be 1000.  "
        "Received classes={}",
        options.classes));
  }
  const std::string& activation = options.classifier_activation.name;
  if (!activation.empty() && activation != "softmax" && activation != "linear") {
    throw ValueError(
        "Only `None` and `softmax` activations are allowed for the "
        "`classifier_activation` argument when using pretrained weights, with "
        "`include_top=True`; Received: classifier_activation=" +
        activation);
  }
}

std::filesystem::path kept_by_keras(const std::string& name, const std::string& origin) {
  const std::filesystem::path path = models_of_keras() / name;
  std::error_code unreadable;
  if (std::filesystem::exists(path, unreadable)) return path;
  throw FileNotFoundError(
      fmt::format("There is no '{}', where Keras keeps what it has downloaded from {}. Lamina "
                  "downloads nothing: let Keras do so, or put the file there.",
                  path.string(), origin),
      ENOENT);
}

void load_trained(Functional& model, const Options& options, const Published& published) {
  if (options.weights.empty()) return;
  if (!of_imagenet(options)) {
    model.load_weights(options.weights);
    return;
  }
  const bool top = options.include_top;
  const std::string origin =
      fmt::format("https://storage.googleapis.com/{}{}{}.h5", published.folder, published.file,
                  top ? "" : published.without_top);
  const std::string kept = published.kept_file + (top ? "" : published.kept_without_top) + ".h5";
  model.load_weights(kept_by_keras(kept, origin));
}

}  // namespace lamina::applications
