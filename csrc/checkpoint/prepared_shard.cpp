#include "checkpoint/prepared_shard.h"

#include <algorithm>

#include "checkpoint/layout_cache.h"

namespace lamina::checkpoint {
namespace {

using weights::WeightEntry;
using weights::WeightTree;

h5::LayoutGroup layout_group(const ShardGroup& group, const WeightTree& tree,
                             const std::vector<WeightEntry>& entries) {
  const WeightEntry& entry = entries[group.entry];
  const weights::WeightNode& node = tree.nodes[entry.node];
  h5::LayoutGroup out{entry.path, node.name, group.has_name && node.has_name, {}};
  for (const std::size_t i : group.variables) {
    const auto& [key, variable] = node.variables[i];
    out.datasets.push_back({key, variable->shape(), variable->dtype()});
  }
  return out;
}

}  // namespace

std::vector<WriteExtent> PreparedShard::extents(storage::WritableFile* file) const {
  std::vector<WriteExtent> out;
  out.reserve(layout->metadata.size() + tensors.size());
  for (const auto& block : layout->metadata) out.push_back({file, block.offset, block.bytes});
  for (const auto& [offset, tensor] : tensors) {
    if (tensor.device() == Device::cpu()) out.push_back({file, offset, tensor.bytes()});
  }
  return out;
}

std::vector<Device> PreparedShard::devices() const {
  std::vector<Device> out;
  for (const auto& [offset, tensor] : tensors) {
    if (tensor.device() == Device::cpu()) continue;
    if (std::find(out.begin(), out.end(), tensor.device()) == out.end()) {
      out.push_back(tensor.device());
    }
  }
  return out;
}

std::vector<DeviceWrite> PreparedShard::extents_on(Device device,
                                                   storage::WritableFile* file) const {
  std::vector<DeviceWrite> out;
  for (const auto& [offset, tensor] : tensors) {
    if (tensor.device() == device) {
      out.push_back({file, offset, static_cast<const std::byte*>(tensor.raw()), tensor.nbytes()});
    }
  }
  return out;
}

std::uint64_t PreparedShard::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& block : layout->metadata) sum += block.bytes.size();
  for (const auto& [offset, tensor] : tensors) sum += tensor.nbytes();
  return sum;
}

PreparedShard prepare_shard(const Shard& shard, std::string name, const WeightTree& tree,
                            const std::vector<WeightEntry>& entries, const Values& values) {
  PreparedShard out{std::move(name), {}, {}};
  std::vector<h5::LayoutGroup> groups;
  groups.reserve(shard.groups.size());
  for (const ShardGroup& group : shard.groups) groups.push_back(layout_group(group, tree, entries));
  out.layout = layout_cache().get(groups);
  for (std::size_t g = 0; g < shard.groups.size(); ++g) {
    const weights::NodeId node = entries[shard.groups[g].entry].node;
    for (std::size_t k = 0; k < shard.groups[g].variables.size(); ++k) {
      Tensor value = values.at(node, shard.groups[g].variables[k]).value();
      if (value.nbytes() > 0) {
        out.tensors.emplace_back(out.layout->offsets[g][k], std::move(value));
      }
    }
  }
  return out;
}

}  // namespace lamina::checkpoint
