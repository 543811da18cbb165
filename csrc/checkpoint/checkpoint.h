#pragma once
#include <lamina/model.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <unordered_set>

#include "storage/storage.h"
#include "weights/weight_tree.h"

namespace lamina::checkpoint {

class Timeline;

/// How values of a device travel through its ring.
struct DeviceTravel {
  Timeline* timeline = nullptr;  ///< keeps what happened when
  std::size_t threads = 0;       ///< at the files; 0: one a slot, within io_threads()
};

struct SaveRequest {
  bool overwrite = true;
  std::optional<double> max_shard_size;
  bool keep_entries_together = false;
  std::unordered_set<weights::NodeId> skip;
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  DeviceTravel travel = {};
  bool seal = true;
  bool align = true;
};

struct LoadRequest {
  bool skip_mismatch = false;
  std::unordered_set<weights::NodeId> skip;
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  DeviceTravel travel = {};
  bool verify = true;
};

/// Writes the tree's variables to `path` by Keras's rules (see Model::save_weights).
void save(const weights::WeightTree& tree, const std::filesystem::path& path,
          const SaveRequest& request, storage::Storage& storage = storage::posix());

/// Reads the tree's variables from `path` (see Model::load_weights): all of them, or none.
void load(const weights::WeightTree& tree, const std::filesystem::path& path,
          const LoadRequest& request, storage::Storage& storage = storage::posix());

}  // namespace lamina::checkpoint
