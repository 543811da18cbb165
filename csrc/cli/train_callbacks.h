#pragma once
#include <lamina/callbacks.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace lamina::cli {

/// Writes a line a step: step, epoch, the batch's loss, the metrics' means over the epoch so far,
/// the learning rate. A run that goes on from a checkpoint keeps the lines up to there.
[[nodiscard]] CallbackPtr step_history(std::filesystem::path file);

/// The checkpoints of a run in one directory: "step_00000120.weights.h5". Made with its parents.
[[nodiscard]] CallbackPtr checkpoint_steps(std::filesystem::path directory, std::int64_t every,
                                           std::size_t max_to_keep);
/// The newest of them.
[[nodiscard]] std::optional<std::filesystem::path> newest_checkpoint(
    const std::filesystem::path& directory);

}  // namespace lamina::cli
