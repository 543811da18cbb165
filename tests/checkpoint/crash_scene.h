#pragma once
#include <lamina/error.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/steps/recover_directory.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/crash_storage.h"

namespace lamina::testing {

/// A small model with several sets of values, and one path to which they are saved in turn.
class CrashScene {
 public:
  CrashScene(std::mt19937& random, std::string path, std::size_t sets)
      : path_(std::move(path)), empty_(model(random)) {
    for (std::size_t i = 0; i < sets; ++i) sets_.push_back(new_values(random));
  }

  /// Saves a set: in one file, or in shards of so many bytes.
  void save(std::size_t set, std::optional<double> limit, storage::Storage& storage,
            bool seal = true) const {
    checkpoint::SaveRequest request;
    request.seal = seal;
    if (path_.ends_with(".keras")) request.archived = {{"config.json", "{}"}};
    if (limit) request.max_shard_size = *limit / (1024.0 * 1024.0 * 1024.0);
    checkpoint::save(sets_[set], path_, request, storage);
  }

  /// Which set a load gives: -1 when there is no checkpoint, -2 when it is none of them.
  [[nodiscard]] int load(storage::Storage& storage) const {
    const WeightTree copy = poisoned_copy(empty_);
    try {
      checkpoint::load(copy, path_, {}, storage);
    } catch (const FileNotFoundError&) {
      return storage.exists(path_) ? -2 : -1;
    }
    const auto values = snapshot(copy);
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      if (same_values(values, snapshot(sets_[i]))) return static_cast<int>(i);
    }
    return -2;
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  /// 2 shards of at most 1300 bytes, 5 of 610; longer than a sector, so that they can be torn.
  static WeightTree model(std::mt19937& random) {
    TreeBuilder builder;
    for (int i = 0; i < 4; ++i) {
      const std::string name = "x_" + std::to_string(i);
      builder.layer("layers/" + name, name,
                    {random_tensor(random, {100}, DType::kFloat32),
                     random_tensor(random, {2}, DType::kFloat16)});
    }
    builder.layer("layers/y", "y", {random_tensor(random, {150}, DType::kFloat32)});
    return std::move(builder.tree);
  }
  WeightTree new_values(std::mt19937& random) const {
    WeightTree out = poisoned_copy(empty_);
    for (WeightNode& node : out.nodes) {
      for (auto& v : node.variables) {
        v.variable->assign(random_tensor(random, v.variable->shape(), v.variable->dtype()));
      }
    }
    return out;
  }

  std::string path_;
  WeightTree empty_;
  std::vector<WeightTree> sets_;
};

/// States in which a power cut may leave a disk: every choice of the unsynced changes of its
/// directory where these are few, else what an ordered journal leaves, each change alone, each
/// change alone missing, and `samples` of the rest; each with unsynced data dropped, kept and torn.
inline std::vector<CrashDisk> power_cuts(const CrashDisk& disk, std::size_t samples,
                                         std::mt19937& random) {
  const std::size_t n = disk.loose();
  std::vector<std::vector<bool>> choices;
  if (n <= 5) {
    for (std::size_t bits = 0; bits < std::size_t{1} << n; ++bits) {
      choices.emplace_back();
      for (std::size_t i = 0; i < n; ++i) choices.back().push_back((bits >> i & 1) != 0);
    }
  } else {
    for (std::size_t i = 0; i <= n; ++i) {
      choices.emplace_back(n, false);
      std::fill_n(choices.back().begin(), i, true);
      if (i == n) break;
      choices.emplace_back(n, false)[i] = true;
      choices.emplace_back(n, true)[i] = false;
    }
    for (std::size_t i = 0; i < samples; ++i) {
      choices.emplace_back();
      for (std::size_t k = 0; k < n; ++k) choices.back().push_back(random() % 2 == 0);
    }
  }
  std::vector<CrashDisk> out;
  for (const auto& kept : choices) {
    for (const Unsynced data : {Unsynced::kDropped, Unsynced::kKept, Unsynced::kTorn}) {
      out.push_back(disk.after_power_cut(kept, data, random() % 2 == 0, random));
    }
  }
  return out;
}

/// One state of those, at random.
inline CrashDisk one_power_cut(const CrashDisk& disk, std::mt19937& random) {
  std::vector<bool> kept(disk.loose());
  const unsigned way = random() % 3;  // an ordered journal; any; all but one
  const std::size_t first = kept.empty() ? 0 : random() % (kept.size() + 1);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    kept[i] = way == 0 ? i < first : way == 1 ? random() % 2 == 0 : i != first;
  }
  return disk.after_power_cut(kept, static_cast<Unsynced>(random() % 3), random() % 2 == 0, random);
}

/// A disk after the first `count` of some operations.
inline CrashDisk replayed(CrashDisk disk, const std::vector<Operation>& log, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) disk.apply(log[i]);
  return disk;
}

}  // namespace lamina::testing
