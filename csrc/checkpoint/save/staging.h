#pragma once
#include "checkpoint/background/save_state.h"
#include "checkpoint/save/save_job.h"

namespace lamina::checkpoint {

/// Does with the job's values what its policy says (SnapshotPolicy), before they are written: puts
/// copies in the place of some or all of them, and lifts the fence when it was all.
/// Throws DeviceError, OutOfMemoryError, CancelledError.
void stage_values(SaveJob& job, SaveState& state);

/// What the first copy of the device's values has to wait for.
[[nodiscard]] std::vector<const runtime::Event*> marks_of(Device device, const SaveJob& job);

}  // namespace lamina::checkpoint
