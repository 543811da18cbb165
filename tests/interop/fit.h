#pragma once
#include <lamina/model.h>

#include <nlohmann/json_fwd.hpp>

namespace lamina::interop {

// The members of Model that train and measure. "x" and "y" are a tensor or a list of them, as
// tensor_file.h describes tensors; "sample_weight" is one, or one for each output, where null is
// none.

/// {"x", "y", "sample_weight"?, "validation_x"?, "validation_y"?, "validation_weight"?,
/// "class_weight"?: {class: weight}, "options": {name: number, or list of them}, "log_dir"?,
/// "update_freq"?, "callbacks"?: see callbacks.h, "output"?: the file that is to have what is
/// shown}, in the order of the samples -> {"history": {name: [value an epoch]}, "epoch": [number]}
[[nodiscard]] nlohmann::json fit(Model& model, const nlohmann::json& request);
/// {"x", "y", "sample_weight"?, "batch_size", "steps"?} -> {"logs": {name: value}}
[[nodiscard]] nlohmann::json evaluate_model(Model& model, const nlohmann::json& request);
/// {"x", "y", "sample_weight"?} -> {"logs"} of a step on the batch
[[nodiscard]] nlohmann::json train_on_batch(Model& model, const nlohmann::json& request);
/// The same without training on it.
[[nodiscard]] nlohmann::json test_on_batch(Model& model, const nlohmann::json& request);

}  // namespace lamina::interop
