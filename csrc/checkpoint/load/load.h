#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <unordered_set>
#include <utility>
#include <vector>

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
};

/// Values that have been read for variables, of their dtypes and on their devices. No variable has
/// changed yet.
class ReadValues {
 public:
  void add(VariablePtr variable, Tensor value) {
    values_.emplace_back(std::move(variable), std::move(value));
  }
  /// Null where nothing was read for the variable.
  [[nodiscard]] const Tensor* find(const Variable& variable) const;
  /// Gives each variable its value.
  void assign() &&;

 private:
  std::vector<std::pair<VariablePtr, Tensor>> values_;
};

/// Reads values for the tree's variables from files that are open, whose index was verified, or
/// not, when they were opened. All that can fail of a load does so here (see Model::load_weights).
[[nodiscard]] ReadValues read(const weights::WeightTree& tree, const Catalog& catalog,
                              const LoadRequest& request);

/// Reads the tree's variables from `path`: all of them, or none.
void load(const weights::WeightTree& tree, const std::filesystem::path& path,
          const LoadRequest& request, storage::Storage& storage = storage::posix());
/// The same from files that are open.
void load(const weights::WeightTree& tree, const Catalog& catalog, const LoadRequest& request);

}  // namespace lamina::checkpoint
