#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "checkpoint/checkpoint.h"
#include "h5/read/reader.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::testing {

/// A model of tensors of several sizes, each dtype among them, none of it empty of variables.
inline WeightTree sealed_tree(std::mt19937& random) {
  TreeBuilder builder("model");
  for (const DType dtype : kDTypes) {
    const std::string name(dtype_name(dtype));
    builder.layer("layers/" + name, name,
                  {random_tensor(random, {7, 10 + static_cast<int>(random() % 30)}, dtype),
                   random_tensor(random, {}, dtype), random_tensor(random, {0, 3}, dtype)});
  }
  builder.layer("layers/large", "large", {random_tensor(random, {60, 100}, DType::kFloat32)});
  return std::move(builder.tree);
}

/// The paths of a file's tensors, by the bytes that they take.
class TensorMap {
 public:
  explicit TensorMap(const std::filesystem::path& file) {
    const h5::Reader reader(storage::posix().open(file));
    for (const h5::VarsGroup* group : reader.groups()) {
      for (const auto& [key, dataset] : group->datasets) {
        if (dataset.nbytes > 0) tensors_[*dataset.offset] = {dataset.nbytes, dataset.path};
      }
    }
  }
  /// Empty for a byte of no tensor.
  [[nodiscard]] std::string at(std::uint64_t byte) const {
    auto found = tensors_.upper_bound(byte);
    if (found == tensors_.begin()) return {};
    --found;
    return byte < found->first + found->second.first ? found->second.second : std::string();
  }
  [[nodiscard]] std::size_t size() const { return tensors_.size(); }
  /// Where the first one begins: all that says what they are lies before it.
  [[nodiscard]] std::uint64_t begin() const { return tensors_.begin()->first; }
  /// Those that do not lie within so many bytes.
  [[nodiscard]] std::set<std::string> beyond(std::uint64_t size) const {
    std::set<std::string> out;
    for (const auto& [offset, tensor] : tensors_) {
      if (offset + tensor.first > size) out.insert(tensor.second);
    }
    return out;
  }

 private:
  std::map<std::uint64_t, std::pair<std::uint64_t, std::string>> tensors_;
};

inline constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;

/// A save of a tree, single and in shards, in a directory of its own.
class SealedFiles {
 public:
  explicit SealedFiles(const WeightTree& tree, bool seal = true, double shard_bytes = 26'000) {
    checkpoint::SaveRequest request;
    request.seal = seal;
    checkpoint::save(tree, single(), request);
    request.max_shard_size = shard_bytes / kGigabyte;
    checkpoint::save(tree, index(), request);
  }
  [[nodiscard]] std::filesystem::path single() const { return directory_ / "m.weights.h5"; }
  [[nodiscard]] std::filesystem::path index() const { return directory_ / "s.weights.json"; }
  [[nodiscard]] std::vector<std::filesystem::path> shards() const {
    std::vector<std::filesystem::path> out;
    for (std::size_t i = 0;; ++i) {
      const auto shard = directory_ / fmt::format("s_{:05}.weights.h5", i);
      if (!std::filesystem::exists(shard)) return out;
      out.push_back(shard);
    }
  }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return directory_ / name;
  }

 private:
  TemporaryDirectory directory_{memory_directory()};
};

}  // namespace lamina::testing
