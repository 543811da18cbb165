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
  std::vector<Variable::Snapshot*> all;
  for (auto& node : values) {
    for (Variable::Snapshot& value : node) all.push_back(&value);
  }
  parallel_for(all.size(), io_threads(), [&](std::size_t i) {
    state.throw_if_cancelled();
    *all[i] = Variable::Snapshot(all[i]->value().clone());
  });
  state.finish_copy();
}

}  // namespace lamina::checkpoint
