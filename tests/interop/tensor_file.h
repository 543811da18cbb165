#pragma once
#include <lamina/tensor.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

namespace lamina::interop {

/// Reads the raw elements that {"path", "shape", "dtype"} describes.
[[nodiscard]] Tensor read_tensor(const nlohmann::json& description);

/// Writes raw elements and returns their description.
[[nodiscard]] nlohmann::json write_tensor(const Tensor& tensor, const std::filesystem::path& path);

}  // namespace lamina::interop
