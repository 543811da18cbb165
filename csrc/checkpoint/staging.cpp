#include "checkpoint/staging.h"

#include "checkpoint/parallel.h"

namespace lamina::checkpoint {
namespace {

bool copies(SnapshotPolicy policy) {
  switch (policy) {
    case SnapshotPolicy::kNone:
    case SnapshotPolicy::kAutomatic:
      return false;
    case SnapshotPolicy::kDevice:
    case SnapshotPolicy::kHost:
      return true;
  }
  return false;
}

}  // namespace

void stage_values(Values& values, SnapshotPolicy policy, SaveState& state) {
  if (!copies(policy)) return;
  parallel_for(values.all.size(), io_threads(), [&](std::size_t i) {
    state.throw_if_cancelled();
    if (const Tensor value = values.all[i].value(); value.defined()) {
      values.all[i].replace(value.clone());
    }
  });
  state.finish_copy();
}

}  // namespace lamina::checkpoint
