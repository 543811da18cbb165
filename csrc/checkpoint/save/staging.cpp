#include "checkpoint/save/staging.h"

#include <algorithm>

#include "checkpoint/transfer/device_snapshot.h"
#include "checkpoint/transfer/parallel.h"

namespace lamina::checkpoint {
namespace {

/// Values of one device, by their places among all values.
struct Group {
  Device device;
  std::vector<std::size_t> places;
  std::vector<Tensor> tensors;
};

std::vector<Group> groups_of(const Values& values, SaveState& state) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < values.all.size(); ++i) {
    state.throw_if_cancelled();
    Tensor value = values.all[i].value();
    if (!value.defined()) continue;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& each) { return each.device == value.device(); });
    if (group == groups.end()) group = groups.insert(groups.end(), Group{value.device(), {}, {}});
    group->places.push_back(i);
    group->tensors.push_back(std::move(value));
  }
  return groups;
}

/// Null when copies are not to be had.
using Copies = std::optional<std::vector<Tensor>>;

Copies copies_of_host_values(const Group& group, SnapshotPolicy policy, SaveState& state) {
  switch (policy) {
    case SnapshotPolicy::kNone:
    case SnapshotPolicy::kAutomatic:
      return {};
    case SnapshotPolicy::kDevice:
    case SnapshotPolicy::kHost:
      break;
  }
  std::vector<Tensor> out(group.tensors.size());
  parallel_for(out.size(), io_threads(), [&](std::size_t i) {
    state.throw_if_cancelled();
    out[i] = group.tensors[i].clone();
  });
  return out;
}

Copies copies_of_device_values(const Group& group, SnapshotPolicy policy,
                               std::span<const runtime::Event* const> after) {
  switch (policy) {
    case SnapshotPolicy::kNone:
      return {};
    case SnapshotPolicy::kDevice:
      return copies_beside(group.tensors, after);
    case SnapshotPolicy::kHost:
      return copies_in_host_memory(group.tensors, after);
    case SnapshotPolicy::kAutomatic:
      break;
  }
  try {
    return copies_beside(group.tensors, after, spare_memory(group.tensors));
  } catch (const DeviceError& error) {
    if (!error.out_of_memory()) throw;
  }
  if (!fit_in_host_memory(group.tensors)) return {};
  return copies_in_host_memory(group.tensors, after);
}

}  // namespace

std::vector<const runtime::Event*> marks_of(Device device, const SaveJob& job) {
  std::vector<const runtime::Event*> out;
  for (const runtime::DeviceMark& mark : job.after) {
    if (mark.context->device() == device) out.push_back(mark.event.get());
  }
  return out;
}

void stage_values(SaveJob& job, SaveState& state) {
  if (job.snapshot == SnapshotPolicy::kNone) return;
  // Values in host memory are copied only when asked for.
  const bool may_be_copied = job.snapshot != SnapshotPolicy::kAutomatic || !job.after.empty();
  if (!may_be_copied) return;
  bool all = true;
  for (const Group& group : groups_of(job.values, state)) {
    const Copies copies =
        group.device == Device::cpu()
            ? copies_of_host_values(group, job.snapshot, state)
            : copies_of_device_values(group, job.snapshot, marks_of(group.device, job));
    all = all && copies.has_value();
    for (std::size_t i = 0; copies && i < copies->size(); ++i) {
      job.values.all[group.places[i]].replace((*copies)[i]);
    }
  }
  if (all) state.finish_copy();
}

}  // namespace lamina::checkpoint
