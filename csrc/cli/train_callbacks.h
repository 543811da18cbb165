#pragma once
#include <lamina/callbacks.h>
#include <lamina/checkpoint_manager.h>

#include <cstdint>
#include <filesystem>
#include <memory>

namespace lamina::cli {

/// Writes a line a step: step, epoch, the batch's loss, the metrics' means over the epoch so far,
/// the learning rate. A run that goes on from a checkpoint keeps the lines up to there.
[[nodiscard]] CallbackPtr step_history(std::filesystem::path file);

/// Saves the run's checkpoints, from which it can go on, every so many steps.
[[nodiscard]] CallbackPtr checkpoint_steps(std::shared_ptr<CheckpointManager> manager,
                                           std::int64_t every);

}  // namespace lamina::cli
