#include "graph/memory_plan.h"

#include <gtest/gtest.h>

#include <map>

#include "graph/builder.h"
#include "graph/passes/passes.h"
#include "tests/graph/program_testing.h"
#include "tests/graph/random_program.h"

using namespace lamina;
using namespace lamina::graph;

namespace {

constexpr std::size_t kGarbage = ~std::size_t{0};

/// Plays a program on memory whose every byte knows which value was written there last.
class Memory {
 public:
  Memory(const Program& program, const MemoryPlan& plan) : program_(program), plan_(plan) {
    cells_[{Slot::Where::kArena, 0}].resize(plan.arena_bytes, kGarbage);
    for (std::size_t i = 0; i < program.inputs.size(); ++i) {
      cells_[{Slot::Where::kInput, i}].resize(bytes(program.inputs[i]), program.inputs[i]);
    }
    for (std::size_t i = 0; i < program.outputs.size(); ++i) {
      cells_[{Slot::Where::kOutput, i}].resize(bytes(program.outputs[i]), kGarbage);
    }
  }

  std::span<std::size_t> at(ValueId id) {
    const Slot& slot = plan_.values[id];
    const bool arena = slot.where == Slot::Where::kArena;
    auto& memory = cells_.at({slot.where, arena ? 0 : slot.at});
    if ((arena ? slot.at : 0) + bytes(id) > memory.size()) {
      ADD_FAILURE() << "value " << id << " reaches past its memory";
      return {};
    }
    return std::span(memory).subspan(arena ? slot.at : 0, bytes(id));
  }
  std::span<std::size_t> workspace(std::size_t op, std::size_t size) {
    return std::span(cells_.at({Slot::Where::kArena, 0})).subspan(plan_.workspace[op], size);
  }
  void expect(ValueId id, ValueId content) {
    for (std::size_t cell : at(id)) {
      if (cell != content) {
        ADD_FAILURE() << "value " << id << " was overwritten by " << cell;
        return;
      }
    }
  }

 private:
  [[nodiscard]] std::size_t bytes(ValueId id) const { return program_.values[id].nbytes(); }

  const Program& program_;
  const MemoryPlan& plan_;
  std::map<std::pair<Slot::Where, std::size_t>, std::vector<std::size_t>> cells_;
};

bool overlap(std::span<std::size_t> a, std::span<std::size_t> b) {
  return !a.empty() && !b.empty() && a.data() < b.data() + b.size() &&
         b.data() < a.data() + a.size();
}

/// Kernels that allow and want at random, but always the same for one operation.
struct RandomNeeds {
  std::uint64_t seed;
  [[nodiscard]] bool in_place(std::size_t op, std::size_t input) const {
    return std::mt19937_64(seed + op * 31 + input)() % 2 == 0;
  }
  [[nodiscard]] std::size_t workspace(std::size_t op) const {
    const auto draw = std::mt19937_64(seed ^ (op * 77 + 5))();
    return draw % 3 == 0 ? draw % 999 : 0;
  }
  [[nodiscard]] KernelNeeds needs() const {
    return {[this](std::size_t op, std::size_t input) { return in_place(op, input); },
            [this](std::size_t op) { return workspace(op); }};
  }
};

/// Runs `program` on `memory`; contents of views are those of what they view.
void play(const Program& program, const MemoryPlan& plan, const RandomNeeds& random) {
  Memory memory(program, plan);
  std::vector<ValueId> content(program.values.size());
  for (ValueId id = 0; id < content.size(); ++id) content[id] = id;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    for (ValueId id : op.inputs) memory.expect(id, content[id]);
    if (plan.is_view[i]) {
      content[op.output] = content[op.inputs[0]];
      memory.expect(op.output, content[op.output]);
      continue;
    }
    EXPECT_NE(plan.values[op.output].where, Slot::Where::kInput);
    const auto workspace = memory.workspace(i, random.workspace(i));
    for (std::size_t k = 0; k < op.inputs.size(); ++k) {
      const bool shared = overlap(memory.at(op.inputs[k]), memory.at(op.output));
      EXPECT_TRUE(!shared || random.in_place(i, k)) << "operation " << i;
      EXPECT_FALSE(overlap(memory.at(op.inputs[k]), workspace)) << "operation " << i;
    }
    EXPECT_FALSE(overlap(memory.at(op.output), workspace)) << "operation " << i;
    std::fill(workspace.begin(), workspace.end(), kGarbage);
    for (std::size_t& cell : memory.at(op.output)) cell = op.output;
  }
  for (ValueId id : program.outputs) {
    EXPECT_EQ(plan.values[id].where, Slot::Where::kOutput);
    memory.expect(id, content[id]);
  }
}

Program chain(std::size_t length) {
  Program program;
  Builder builder(program);
  ValueId x = program.add_value({{1, 64}, DType::kFloat32});
  program.inputs = {x};
  for (std::size_t i = 0; i < length; ++i) x = builder.activation(x, {ops::Unary::kTanh});
  program.outputs = {x};
  return program;
}

KernelNeeds fixed_needs(bool in_place) {
  return {[in_place](std::size_t, std::size_t) { return in_place; },
          [](std::size_t) -> std::size_t { return 0; }};
}

}  // namespace

TEST(MemoryPlan, NoLivingValueIsOverwrittenInRandomPrograms) {
  std::mt19937_64 rng(graph::testkit::fresh_seed());
  for (int round = 0; round < 200; ++round) {
    Program program = graph::testkit::random_program(1 + rng() % 40, DType::kFloat32, rng);
    program = round % 2 == 0 ? optimize(std::move(program)) : separate_outputs(std::move(program));
    const RandomNeeds random{rng()};
    play(program, plan_memory(program, random.needs()), random);
    if (HasFailure()) return;
  }
}

TEST(MemoryPlan, ChainAlternatesBetweenTwoBuffers) {
  EXPECT_EQ(plan_memory(chain(10), fixed_needs(false)).arena_bytes, 2u * 256);
}

TEST(MemoryPlan, ChainThatRunsInPlaceHappensInTheOutput) {
  const MemoryPlan plan = plan_memory(chain(10), fixed_needs(true));
  EXPECT_EQ(plan.arena_bytes, 0u);
}

TEST(MemoryPlan, CallersInputIsNeverWritten) {
  Program program = chain(1);
  EXPECT_EQ(plan_memory(program, fixed_needs(true)).values[program.outputs[0]].where,
            Slot::Where::kOutput);
}

TEST(MemoryPlan, ReshapeOfAnOutputIsCopiedWhenItIsAnOutputToo) {
  Program program;
  Builder builder(program);
  const ValueId x = program.add_value({{2, 3}, DType::kFloat32});
  program.inputs = {x};
  const ValueId y = builder.activation(x, {ops::Unary::kTanh});
  const ValueId flat = builder.reshape(y, {6});
  program.outputs = {y, flat};
  const MemoryPlan plan = plan_memory(program, fixed_needs(false));
  EXPECT_FALSE(plan.is_view[1]);
  EXPECT_EQ(plan.values[flat], (Slot{Slot::Where::kOutput, 1}));
}

// 2^62 floats are 2^64 bytes, of which a count has room for none.
TEST(MemoryPlan, ValuesBeyondAnyMemoryAreRefused) {
  Program program;
  Builder builder(program);
  const ops::TensorSpec small{{1, 1, 1, std::int64_t{1} << 22}};
  ops::Pad pad{small, small, {0, 0, 0, 0}, {0, (1 << 20) - 1, (1 << 20) - 1, 0}};
  pad.y.shape = {1, 1 << 20, 1 << 20, std::int64_t{1} << 22};
  const ValueId x = program.add_value(small);
  program.inputs = {x};
  program.outputs = {builder.sum(builder.emit(pad, {x}), {1, 2}, {1, std::int64_t{1} << 22})};
  EXPECT_THROW((void)plan_memory(program, fixed_needs(false)), ValueError);
}
