#pragma once
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/index/index.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

/// A `vars` group within one shard: some of an entry's variables, or none.
struct ShardGroup {
  std::size_t entry;                   ///< position in the save order
  bool has_name;                       ///< only where the group was made first
  std::vector<std::size_t> variables;  ///< positions in the node's variables
};

struct Shard {
  std::vector<ShardGroup> groups;
};

/// Which variable goes to which file.
struct ShardPlan {
  std::vector<Shard> shards;
  /// `files` of entry i, as shard numbers, in the order in which the index lists them.
  std::vector<std::vector<std::size_t>> files;
  double total_size = 0;  ///< bytes as Keras counts them: a bool is one bit
};

struct ShardLimit {
  double bytes;
  bool keep_entries_together = false;
  bool operator==(const ShardLimit&) const = default;
};

/// False when the tree has a variable, or an entry that must stay together, that no shard can hold:
/// then `plan_shards` throws, unless it is one that is not saved. The cheap part of a plan.
[[nodiscard]] bool all_fit(const weights::WeightTree& tree, const ShardLimit& limit);

/// Keras's assignment: greedy in save order, a shard is closed when the next variable would take it
/// over the limit. Without a limit there is one shard. Throws ValueError naming the variable, or
/// with `keep_entries_together` the entry, that no shard can hold.
[[nodiscard]] ShardPlan plan_shards(const weights::WeightTree& tree,
                                    const std::vector<weights::WeightEntry>& entries,
                                    const std::optional<ShardLimit>& limit);

/// The index of a plan, given its shards' file names.
[[nodiscard]] Index make_index(const ShardPlan& plan, const weights::WeightTree& tree,
                               const std::vector<weights::WeightEntry>& entries,
                               const std::vector<std::string>& names);

}  // namespace lamina::checkpoint
