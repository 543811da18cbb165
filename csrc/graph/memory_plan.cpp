#include "graph/memory_plan.h"

#include <lamina/error.h>

#include <algorithm>
#include <optional>

#include "graph/placement.h"

namespace lamina::graph {
namespace {

using Where = Slot::Where;

/// More than a process can address: sums of less than these do not overflow.
constexpr std::size_t kTooManyBytes = std::size_t{1} << 47;

std::size_t bytes_of(const ops::TensorSpec& spec) {
  const auto elements = static_cast<std::size_t>(spec.shape.size());
  if (elements < kTooManyBytes / dtype_size(spec.dtype)) return spec.nbytes();
  throw ValueError("A value of the shape " + spec.shape.str() +
                   " holds more bytes than there can be memory.");
}

/// Values that share their bytes: one that was written, its views, and what overwrote it in place.
struct Group {
  Slot slot;
  Lifetime life;
};

class Planner {
 public:
  Planner(const Program& program, const KernelNeeds& needs);
  MemoryPlan plan();

 private:
  void count_reads();
  void add_operation(std::size_t index);
  bool join_as_view(std::size_t index);
  bool join_in_place(std::size_t index);
  void join(ValueId value, std::size_t group);
  void start(ValueId value, std::size_t step);
  [[nodiscard]] bool overwritable(std::size_t index, std::size_t input) const;
  [[nodiscard]] bool read_once_by(const Op& op, std::size_t group) const;

  const Program& program_;
  const KernelNeeds& needs_;
  std::vector<std::size_t> last_read_;                 ///< by value; ops.size() for outputs
  std::vector<std::optional<std::size_t>> output_of_;  ///< by value
  std::vector<std::size_t> group_of_;
  std::vector<Group> groups_;
  MemoryPlan plan_;
};

Planner::Planner(const Program& program, const KernelNeeds& needs)
    : program_(program),
      needs_(needs),
      last_read_(program.values.size(), 0),
      output_of_(program.values.size()),
      group_of_(program.values.size(), 0) {
  plan_.values.resize(program.values.size());
  plan_.is_view.resize(program.ops.size(), false);
  plan_.workspace.resize(program.ops.size(), 0);
  count_reads();
}

void Planner::count_reads() {
  for (std::size_t i = 0; i < program_.ops.size(); ++i) {
    for (ValueId id : program_.ops[i].inputs) last_read_[id] = i;
  }
  for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
    last_read_[program_.outputs[i]] = program_.ops.size();
    output_of_[program_.outputs[i]] = i;
  }
}

void Planner::start(ValueId value, std::size_t step) {
  groups_.push_back({{Where::kArena, 0}, {step, step, bytes_of(program_.values[value])}});
  join(value, groups_.size() - 1);
}

void Planner::join(ValueId value, std::size_t index) {
  group_of_[value] = index;
  Group& group = groups_[index];
  group.life.last = std::max(group.life.last, last_read_[value]);
  if (output_of_[value]) group.slot = {Where::kOutput, *output_of_[value]};
}

bool Planner::join_as_view(std::size_t index) {
  const Op& op = program_.ops[index];
  if (!std::holds_alternative<ops::Reshape>(op.spec)) return false;
  const std::size_t group = group_of_[op.inputs[0]];
  // Two outputs, or an input and an output, are separate tensors to the caller: those are copied.
  if (output_of_[op.output] && groups_[group].slot.where != Where::kArena) return false;
  join(op.output, group);
  plan_.is_view[index] = true;
  return true;
}

bool Planner::read_once_by(const Op& op, std::size_t group) const {
  return 1 == std::count_if(op.inputs.begin(), op.inputs.end(),
                            [&](ValueId id) { return group_of_[id] == group; });
}

bool Planner::overwritable(std::size_t index, std::size_t input) const {
  const Op& op = program_.ops[index];
  const std::size_t group = group_of_[op.inputs[input]];
  return groups_[group].slot.where == Where::kArena && groups_[group].life.last == index &&
         groups_[group].life.bytes == program_.values[op.output].nbytes() &&
         read_once_by(op, group);
}

bool Planner::join_in_place(std::size_t index) {
  const Op& op = program_.ops[index];
  for (std::size_t input = 0; input < op.inputs.size(); ++input) {
    if (!overwritable(index, input) || !needs_.can_run_in_place(index, input)) continue;
    join(op.output, group_of_[op.inputs[input]]);
    return true;
  }
  return false;
}

void Planner::add_operation(std::size_t index) {
  if (join_as_view(index) || join_in_place(index)) return;
  start(program_.ops[index].output, index);
}

MemoryPlan Planner::plan() {
  for (std::size_t i = 0; i < program_.inputs.size(); ++i) {
    start(program_.inputs[i], 0);
    groups_.back().slot = {Where::kInput, i};
  }
  for (std::size_t i = 0; i < program_.ops.size(); ++i) add_operation(i);

  std::vector<Lifetime> lifetimes;
  for (const Group& group : groups_) {
    lifetimes.push_back(group.life);
    if (group.slot.where != Where::kArena) lifetimes.back().bytes = 0;
  }
  for (std::size_t i = 0; i < program_.ops.size(); ++i) {
    lifetimes.push_back({i, i, plan_.is_view[i] ? 0 : needs_.workspace_bytes(i)});
  }
  const Placement placement = place(lifetimes);
  plan_.arena_bytes = placement.bytes;
  const auto offset = placement.offsets.begin();
  for (ValueId id = 0; id < program_.values.size() && !groups_.empty(); ++id) {
    plan_.values[id] = groups_[group_of_[id]].slot;
    if (plan_.values[id].where == Where::kArena) plan_.values[id].at = offset[group_of_[id]];
  }
  std::copy(offset + static_cast<std::ptrdiff_t>(groups_.size()), placement.offsets.end(),
            plan_.workspace.begin());
  return std::move(plan_);
}

}  // namespace

MemoryPlan plan_memory(const Program& program, const KernelNeeds& needs) {
  return Planner(program, needs).plan();
}

}  // namespace lamina::graph
