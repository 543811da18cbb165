#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <unordered_set>

#include "checkpoint/load/read_values.h"
#include "checkpoint/transfer/device_transfer.h"
#include "storage/storage.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

class Catalog;

struct LoadRequest {
  bool skip_mismatch = false;
  std::unordered_set<weights::NodeId> skip;
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  DeviceTravel travel = {};
  bool verify = true;
  /// Groups, by the path of their `vars`, of which no warning says that nothing asked for them.
  std::function<bool(std::string_view path)> left_out = {};
};

/// Reads values for the tree's variables from files that are open, whose index was verified, or
/// not, when they were opened. All that can fail of a load does so here (see Model::load_weights),
/// but for a device that breaks down while values are written over.
[[nodiscard]] ReadValues read(const weights::WeightTree& tree, const Catalog& catalog,
                              const LoadRequest& request);

/// Reads the tree's variables from `path`: all of them, or none.
void load(const weights::WeightTree& tree, const std::filesystem::path& path,
          const LoadRequest& request, storage::Storage& storage = storage::posix());
/// The same from files that are open.
void load(const weights::WeightTree& tree, const Catalog& catalog, const LoadRequest& request);

}  // namespace lamina::checkpoint
