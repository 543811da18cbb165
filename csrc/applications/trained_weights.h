#pragma once
#include <lamina/applications.h>

#include <filesystem>
#include <string>

/// Weights that Keras trained on ImageNet, in the place where Keras keeps what it has downloaded.
namespace lamina::applications {

/// What Keras publishes for a model.
struct Published {
  std::string folder, file;            // below https://storage.googleapis.com/, without ".h5"
  std::string without_top = "_notop";  // what follows `file` where the model has no top
  std::string kept_file = file, kept_without_top = without_top;  // in the place where it is kept
};

/// As most families have it: "resnet/resnet50_weights_tf_dim_ordering_tf_kernels".
[[nodiscard]] Published tf_kernels(std::string_view folder, std::string_view name);

/// Whether the weights are to be those of ImageNet.
[[nodiscard]] bool of_imagenet(const Options& options);

/// Throws ValueError, in Keras's words, for `weights` that are neither "imagenet" nor a file, and
/// for ImageNet's with a top of other than its 1000 classes, or one that gives neither
/// probabilities nor logits.
void check_weights(const Options& options);

/// Loads what `options.weights` says.
void load_trained(Functional& model, const Options& options, const Published& published);

/// The file `name` that Keras keeps of what it downloads from `origin`. Throws FileNotFoundError
/// that names both, and says how it gets there.
[[nodiscard]] std::filesystem::path kept_by_keras(const std::string& name,
                                                  const std::string& origin);

}  // namespace lamina::applications
