#include "checkpoint/save/shard_plan.h"

#include <lamina/error.h>

#include <limits>

#include "checkpoint/names/python_text.h"
#include "core/keras_bits.h"
#include "core/readable_size.h"

namespace lamina::checkpoint {
namespace {

using weights::WeightEntry;
using weights::WeightNode;
using weights::WeightTree;

double keras_size(const Variable& variable) {
  return static_cast<double>(variable.shape().size()) * core::keras_bits(variable.dtype()) / 8;
}

[[noreturn]] void refuse(const std::string& what, double size, double limit, const WeightNode& node,
                         const std::string& where) {
  throw ValueError("The size of " + what + " is " + core::readable_size(size) +
                   " which exceeds the maximum shard size " + core::readable_size(limit) +
                   ". You can increase the `max_shard_size` parameter to accommodate the size. (" +
                   where + " of " + node.repr() + ")");
}

class Planner {
 public:
  Planner(const std::vector<WeightEntry>& entries, const std::optional<ShardLimit>& limit)
      : entries_(entries),
        limit_(limit ? limit->bytes : std::numeric_limits<double>::infinity()),
        together_(limit && limit->keep_entries_together) {
    plan_.shards.emplace_back();
    plan_.files.resize(entries.size());
  }

  void add(std::size_t entry, const WeightNode& node) {
    if (together_ && !node.variables.empty()) make_room(entry, node);
    plan_.shards.back().groups.push_back({entry, true, {}});
    for (std::size_t i = 0; i < node.variables.size(); ++i) add_variable(entry, node, i);
  }

  ShardPlan take() { return std::move(plan_); }

 private:
  void make_room(std::size_t entry, const WeightNode& node) {
    double size = 0;
    for (const auto& variable : node.variables) size += keras_size(*variable.variable);
    if (size > limit_) {
      refuse("the variables", size, limit_, node, "'" + entries_[entry].path + "'");
    }
    if (used_ + size > limit_) open_shard();
  }

  void add_variable(std::size_t entry, const WeightNode& node, std::size_t index) {
    const auto& [key, variable] = node.variables[index];
    const double size = keras_size(*variable);
    plan_.total_size += size;
    if (size > limit_) {
      refuse(key, size, limit_, node,
             "variable '" + variable->path() + "' at '" + entries_[entry].path + "/" + key + "'");
    }
    if (used_ + size > limit_) {
      open_shard();
      plan_.shards.back().groups.push_back({entry, false, {}});
    }
    used_ += size;
    plan_.shards.back().groups.back().variables.push_back(index);
    std::vector<std::size_t>& files = plan_.files[entry];
    const std::size_t shard = plan_.shards.size() - 1;
    if (files.empty() || files.back() != shard) files.push_back(shard);
  }

  void open_shard() {
    plan_.shards.emplace_back();
    used_ = 0;
  }

  const std::vector<WeightEntry>& entries_;
  double limit_;
  bool together_;
  double used_ = 0;
  ShardPlan plan_;
};

}  // namespace

bool all_fit(const WeightTree& tree, const ShardLimit& limit) {
  for (const WeightNode& node : tree.nodes) {
    double size = 0;
    for (const auto& [key, variable] : node.variables) {
      size = keras_size(*variable) + (limit.keep_entries_together ? size : 0);
      if (!(size <= limit.bytes)) return false;
    }
  }
  return true;
}

ShardPlan plan_shards(const WeightTree& tree, const std::vector<WeightEntry>& entries,
                      const std::optional<ShardLimit>& limit) {
  Planner planner(entries, limit);
  for (std::size_t i = 0; i < entries.size(); ++i) planner.add(i, tree.nodes[entries[i].node]);
  return planner.take();
}

Index make_index(const ShardPlan& plan, const WeightTree& tree,
                 const std::vector<WeightEntry>& entries, const std::vector<std::string>& names) {
  Index index;
  index.total_size = plan.total_size;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (plan.files[i].empty()) continue;
    index.any_variable = true;
    IndexEntry& entry = index.entries.emplace_back();
    entry.path = entries[i].path;
    entry.as_list = tree.nodes[entries[i].node].variables.size() > 1;
    for (const std::size_t shard : plan.files[i]) entry.files.push_back(names[shard]);
  }
  return index;
}

}  // namespace lamina::checkpoint
