#pragma once
#include <filesystem>
#include <string>

namespace lamina::models {

/// The class of the optimizer with which the model of a `.keras` archive was compiled: "Adam".
/// Empty for a model that was not. Throws StorageError, FormatError.
[[nodiscard]] std::string archived_optimizer(const std::filesystem::path& archive);

}  // namespace lamina::models
