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
/// "weighted_metrics"? likewise, "loss_weights"?: [number], the last four also {output: ...},
/// "exclude_from_weight_decay"?: [text], "loss_scale"?: {"initial_scale", "dynamic_growth_steps"}}
/// -> {}
[[nodiscard]] nlohmann::json compile_model(Model& model, const nlohmann::json& request);
/// {"x", "y", "batch_size"}, a whole number of batches ->
/// {"logs": [{name: value} a step], "loss_scales": [after each step]}
[[nodiscard]] nlohmann::json train_on_batches(Model& model, const nlohmann::json& request);

}  // namespace lamina::interop
