#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "checkpoint/steps/step_directories.h"

namespace lamina::checkpoint {

/// Has `load` load the newest checkpoint that is neither damaged nor incomplete, with a warning for
/// each newer one, and returns its step; nothing when there is none. One that others remove or
/// replace meanwhile says nothing of the rest: then begins again with those there are. Throws what
/// `load` throws of the newest one when all are damaged, what says nothing of files at once, and
/// StorageError, also when it finds no end.
[[nodiscard]] std::optional<std::int64_t> restore_newest(
    const StepDirectories& directories,
    const std::function<void(const std::filesystem::path&)>& load);

}  // namespace lamina::checkpoint
