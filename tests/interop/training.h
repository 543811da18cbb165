#pragma once
#include <lamina/model.h>

#include <nlohmann/json_fwd.hpp>

namespace lamina::interop {

// The parts of training, each by itself. Classes and options stand in the requests in words, as
// "Adam:learning_rate=0.01"; tensors are described as tensor_file.h has them.

/// {"loss", "y_true", "y_pred", "sample_weight"?, "output"} -> {"value", "gradient"}
[[nodiscard]] nlohmann::json run_loss(const nlohmann::json& request);
/// {"metric", "batches": [{"y_true", "y_pred", "sample_weight"?}]} -> {"result", "name"}
[[nodiscard]] nlohmann::json run_metric(const nlohmann::json& request);
/// {"schedule", "steps"} -> {"values"}
[[nodiscard]] nlohmann::json run_schedule(const nlohmann::json& request);
/// {"optimizer", "variables": [{"path", "value"}], "steps": [[gradient]], "output"} ->
/// {"variables", "state": [{"name", "value"}]}
[[nodiscard]] nlohmann::json run_optimizer(const nlohmann::json& request);
/// {"kind": "optimizer", "schedule", "loss" or "metric", "object": as Keras serialises one} ->
/// {"object": what was made of it, serialised}
[[nodiscard]] nlohmann::json rewrite_object(const nlohmann::json& request);
/// -> {kind: [class name]}
[[nodiscard]] nlohmann::json list_classes();
/// {"optimizer", "loss": text or a list, one an output, "metrics": [text or a list of them],
/// "loss_weights"?: [number], the last three also {output: ...}, "exclude_from_weight_decay"?:
/// [text], "loss_scale"?: {"initial_scale", "dynamic_growth_steps"}} -> {}
[[nodiscard]] nlohmann::json compile_model(Model& model, const nlohmann::json& request);
/// {"x", "y", "batch_size"}, a whole number of batches ->
/// {"logs": [{name: value} a step], "loss_scales": [after each step]}
[[nodiscard]] nlohmann::json train_on_batches(Model& model, const nlohmann::json& request);
/// {"x", "y": a list, one an output} -> {"logs"} of a step on the batch
[[nodiscard]] nlohmann::json train_on_batch(Model& model, const nlohmann::json& request);
/// {"x", "y" (a tensor or a list, one an output), "batch_size"} -> {"logs": {name: value}}
[[nodiscard]] nlohmann::json evaluate_model(Model& model, const nlohmann::json& request);
/// {"x", "y"} -> {"logs"} of the batch by itself, without training on it
[[nodiscard]] nlohmann::json test_on_batch(Model& model, const nlohmann::json& request);
/// {"x", "y", "validation_x"?, "validation_y"?, "options": {name: number}, "log_dir"?,
/// "update_freq"?, "callbacks"?: see callbacks.h, "output"?: the file that is to have what is
/// shown}, in the order of the samples ->
/// {"history": {name: [value an epoch]}}
[[nodiscard]] nlohmann::json fit(Model& model, const nlohmann::json& request);

}  // namespace lamina::interop
