#pragma once
#include <lamina/model.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "storage/storage.h"

namespace lamina::models {

// Defined in models/archived_weights.cpp.

/// Loads the weights of an archive, or of a legacy file, into the model that was made of its
/// configuration, and was left uncompiled if `options` say so: then optimizers' variables stay in
/// the file without a warning. Throws what `Model::load_weights` throws.
void load_archived_weights(Model& model, const std::filesystem::path& archive,
                           const LoadModelOptions& options);

/// What a legacy file says of its model, in JSON.
struct LegacyTexts {
  std::string model_config;
  std::optional<std::string> training_config;
  bool older_than_keras_3 = false;
};
/// Whether it is one, by its name: `.h5` or `.hdf5`.
[[nodiscard]] bool is_legacy(const std::filesystem::path& path);
/// Throws ValueError for a file of weights alone, and what opening one throws.
[[nodiscard]] LegacyTexts legacy_texts(const std::shared_ptr<const storage::ReadableFile>& file);
/// Loads what a legacy file has of an optimizer into that of a compiled model. Where it does not
/// fit the optimizer begins anew, with Keras's warning.
void load_legacy_optimizer(const Model& model, const std::filesystem::path& path);

}  // namespace lamina::models
