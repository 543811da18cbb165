#include "checkpoint/save/prepared_shard.h"

#include <algorithm>

#include "checkpoint/save/layout_cache.h"

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

/// Datasets that have bytes.
std::size_t tensor_count(const std::vector<h5::LayoutGroup>& groups) {
  std::size_t count = 0;
  for (const h5::LayoutGroup& group : groups) {
    for (const h5::LayoutDataset& dataset : group.datasets) count += dataset.shape.size() > 0;
  }
  return count;
}

std::shared_ptr<const h5::Layout> layout_of(const SavePlan& plan, std::size_t i,
                                            const WeightTree& tree, bool sealed) {
  if (auto known = plan.layouts->get(i)) return known;
  std::vector<h5::LayoutGroup> groups;
  groups.reserve(plan.shards.shards[i].groups.size());
  for (const ShardGroup& group : plan.shards.shards[i].groups) {
    groups.push_back(layout_group(group, tree, plan.entries));
  }
  if (sealed) groups.push_back(seal_group(tensor_count(groups)));
  auto layout = layout_cache().get(groups, plan.align);
  plan.layouts->put(i, layout);
  return layout;
}

std::vector<FileRange> ranges_of(const std::vector<PlacedTensor>& tensors) {
  std::vector<FileRange> out;
  out.reserve(tensors.size());
  for (const PlacedTensor& tensor : tensors) out.push_back({tensor.offset, tensor.bytes.size()});
  return out;
}

std::size_t variable_count(const Shard& shard) {
  std::size_t count = 0;
  for (const ShardGroup& group : shard.groups) count += group.variables.size();
  return count;
}

}  // namespace

std::vector<WriteExtent> PreparedShard::extents(storage::WritableFile* file) const {
  std::vector<WriteExtent> out;
  out.reserve(1 + tensors.size());
  out.push_back({file, 0, layout->metadata});
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const PlacedTensor& tensor = tensors[i];
    if (tensor.device == Device::cpu()) {
      out.push_back({file, tensor.offset, tensor.bytes, checksum(i)});
    }
  }
  return out;
}

std::vector<Device> PreparedShard::devices() const {
  std::vector<Device> out;
  for (const PlacedTensor& tensor : tensors) {
    if (tensor.device == Device::cpu()) continue;
    if (std::find(out.begin(), out.end(), tensor.device) == out.end()) {
      out.push_back(tensor.device);
    }
  }
  return out;
}

std::vector<DeviceWrite> PreparedShard::extents_on(Device device,
                                                   storage::WritableFile* file) const {
  std::vector<DeviceWrite> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const PlacedTensor& tensor = tensors[i];
    if (tensor.device == device) {
      out.push_back({file, tensor.offset, tensor.bytes.data(), tensor.bytes.size(), checksum(i)});
    }
  }
  return out;
}

std::uint64_t PreparedShard::bytes() const {
  std::uint64_t sum = layout->metadata.size();
  for (const PlacedTensor& tensor : tensors) sum += tensor.bytes.size();
  return sum;
}

std::uint64_t PreparedShard::file_size() const {
  return sealer ? sealer->file_size() : layout->file_size;
}

PreparedShard prepare_shard(const SavePlan& plan, std::size_t i, std::string name,
                            const WeightTree& tree, const Values& values,
                            const std::optional<SaveId>& save) {
  const Shard& shard = plan.shards.shards[i];
  PreparedShard out{std::move(name), layout_of(plan, i, tree, save.has_value()), {}};
  out.tensors.reserve(variable_count(shard));
  for (std::size_t g = 0; g < shard.groups.size(); ++g) {
    const weights::NodeId node = plan.entries[shard.groups[g].entry].node;
    for (std::size_t k = 0; k < shard.groups[g].variables.size(); ++k) {
      const core::VariableSnapshot& value = values.at(node, shard.groups[g].variables[k]);
      if (const auto bytes = value.bytes(); !bytes.empty()) {
        out.tensors.push_back({out.layout->offsets[g][k], bytes, value.device()});
      }
    }
  }
  if (save) {
    out.sealer = std::make_unique<ShardSealer>(
        *out.layout, ranges_of(out.tensors),
        Seal{.save = *save,
             .shard = static_cast<std::uint32_t>(i),
             .shards = static_cast<std::uint32_t>(plan.shards.shards.size())});
  }
  return out;
}

}  // namespace lamina::checkpoint
