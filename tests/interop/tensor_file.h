#pragma once
#include <lamina/sample_weights.h>
#include <lamina/tensor.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace lamina::interop {

/// Reads the raw elements that {"path", "shape", "dtype"} describes.
[[nodiscard]] Tensor read_tensor(const nlohmann::json& description);

/// Of one such description, or of a list of them.
[[nodiscard]] std::vector<Tensor> read_tensors(const nlohmann::json& described);

/// Of the description that a request has under this key; undefined without one.
[[nodiscard]] Tensor optional_tensor(const nlohmann::json& request, const char* key);

/// Of such a description, of all outputs, or of a list of them, one an output; null: none.
[[nodiscard]] SampleWeights sample_weights(const nlohmann::json& request, const char* key);

/// Writes raw elements and returns their description.
[[nodiscard]] nlohmann::json write_tensor(const Tensor& tensor, const std::filesystem::path& path);

}  // namespace lamina::interop
