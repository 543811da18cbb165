#pragma once
#include <lamina/model.h>

#include <filesystem>

namespace lamina::models {

/// Loads the weights of an archive into the model that was made of its configuration, and was left
/// uncompiled if `options` say so: then optimizers' variables stay in the file without a warning.
/// Throws what `Model::load_weights` throws. Defined in models/archived_weights.cpp.
void load_archived_weights(Model& model, const std::filesystem::path& archive,
                           const LoadModelOptions& options);

}  // namespace lamina::models
