#pragma once
#include <functional>
#include <nlohmann/json.hpp>

#include "bench/gpu/settings.h"

// Each returns an array of rows, one a line of the report.
namespace lamina::bench {

/// Inference of settings.model for each precision and batch, its inputs on the device: "precision",
/// "batch", "images_per_s" (runs one behind the other), "latency_ms" (each waited for), "floor_ms"
/// and how long a run takes of that, "of_floor". Calls `so_far` with each new row, and begins none
/// once settings.budget is spent.
[[nodiscard]] nlohmann::json measure_inference(
    const Settings& settings, const std::function<void(const nlohmann::json&)>& so_far);

/// What a run of the largest batch is made of, each operation waited for, so short ones seem a few
/// microseconds longer than they are: "precision", "batch", "table" (text).
[[nodiscard]] nlohmann::json measure_operations(
    const Settings& settings, const std::function<void(const nlohmann::json&)>& so_far);

/// "what", "gb_per_s": from the device into page-locked memory and back, the runtime's copies
/// alone; and through the ring by which weights are saved, into files that keep nothing.
[[nodiscard]] nlohmann::json measure_copies(const Settings& settings);

/// Weights from the device to files and back, for settings.model and the large one, on disk and in
/// memory: "model", "where", "bytes", "save_s", "load_s", "write_s" (plain writes of as many bytes,
/// synced), "copy_s" (as many bytes at the peak of `copies`).
[[nodiscard]] nlohmann::json measure_saves(const Settings& settings, const nlohmann::json& copies);

/// Steps of inference and of training, alone and while a save in the background is in flight:
/// "what", "bytes" of the weights, "steps" timed while saving, "step_ms" and "step_while_saving_ms"
/// (means) and their medians, "returns_ms" (the call that begins the save), "save_s" (until it is
/// on disk).
[[nodiscard]] nlohmann::json measure_stall(const Settings& settings);

}  // namespace lamina::bench
