#pragma once
#include <lamina/model.h>

#include <filesystem>
#include <string>

namespace lamina::cli {

/// Writes the whole model where `out` ends in `.keras`, else its weights.
void save_model(const Model& model, const std::string& out, const SaveOptions& options = {});

/// Throws what this would throw for a model that cannot be written to `out`.
void require_savable(const Model& model, const std::string& out);

/// The file that this writes where no shards are asked for. Throws ValueError for a name that it
/// refuses.
[[nodiscard]] std::filesystem::path saved_file(const std::string& out);

}  // namespace lamina::cli
