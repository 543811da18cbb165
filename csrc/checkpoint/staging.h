#pragma once
#include "checkpoint/save_job.h"

namespace lamina::checkpoint {

/// Does with the values what the policy says, before they are written: `kHost`, and `kDevice` as
/// long as values are in host memory, replace them by copies and then lift the fence; the others
/// leave them where they are. Throws std::bad_alloc, CancelledError.
void stage_values(Values& values, SnapshotPolicy policy, SaveState& state);

}  // namespace lamina::checkpoint
