#pragma once
#include <lamina/callbacks.h>

#include <cstdint>
#include <filesystem>
#include <memory>

#include "cli/run_checkpoints.h"

namespace lamina::cli {

/// Writes a line a step to `history`, unless that is empty: step, epoch, the batch's loss, the
/// metrics' means over the epoch so far, the learning rate. A run that goes on from a checkpoint
/// keeps the lines up to there. Has `board` watch as well, unless that is null. Throws Error at the
/// first step whose loss, or a weight after it, is NaN or infinite, before anything of it is saved;
/// the message names the newest of `checkpoints`, which may be null. One callback, and always
/// there: a run can only be gone on with by as many callbacks as it had. `board` has no state.
[[nodiscard]] CallbackPtr watch_steps(std::filesystem::path history, CallbackPtr board,
                                      std::shared_ptr<RunCheckpoints> checkpoints);

/// Saves checkpoints, from which the run can go on, every so many steps and at the end.
[[nodiscard]] CallbackPtr save_steps(std::shared_ptr<RunCheckpoints> checkpoints,
                                     std::int64_t every);

}  // namespace lamina::cli
