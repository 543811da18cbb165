#include "cli/stored_weights.h"

#include <lamina/error.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "checkpoint/load/open_files.h"
#include "checkpoint/load/seals.h"
#include "storage/storage.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

/// Files in the order of their names, which is that of writing: "m_00002" before "m_00010".
std::vector<std::size_t> order_of(const std::vector<std::string>& names) {
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(names[i].size(), names[i]); });
  return order;
}

bool written_before(const StoredVariable& a, const StoredVariable& b) {
  return std::pair(a.file, a.dataset.order) < std::pair(b.file, b.dataset.order);
}

/// The groups that the index lists, put into its order; the others keep their places.
void apply_order(std::vector<StoredGroup>& groups, const checkpoint::Index& index) {
  std::unordered_map<std::string, std::size_t> rank;
  for (const checkpoint::IndexEntry& entry : index.entries) rank.emplace(entry.path, rank.size());
  std::vector<StoredGroup*> places;
  std::vector<StoredGroup> listed;
  for (StoredGroup& group : groups) {
    if (!rank.contains(group.path)) continue;
    places.push_back(&group);
    listed.push_back(std::move(group));
  }
  std::ranges::stable_sort(listed, {},
                           [&](const StoredGroup& group) { return rank.at(group.path); });
  for (std::size_t i = 0; i < places.size(); ++i) *places[i] = std::move(listed[i]);
}

}  // namespace

std::string StoredVariable::type_name() const {
  return dataset.type.dtype ? std::string(dtype_name(*dataset.type.dtype))
                            : dataset.type.description;
}

StoredWeights::StoredWeights(const fs::path& path) : path_(path) {
  checkpoint::OpenedFiles opened =
      checkpoint::open_files(path, storage::posix(), {.first_shard = true});
  sharded_ = opened.sharded;
  index_seal_ = opened.index_seal;
  for (const std::size_t i : order_of(opened.names)) {
    add_file(opened.names[i], std::move(opened.readers[i]));
  }
  apply_order(groups_, opened.index);
}

void StoredWeights::add_file(const std::string& name, h5::Reader opened) {
  const h5::Reader& reader = readers_.emplace_back(std::move(opened));
  const std::size_t file = files_.size();
  files_.push_back(name);
  std::unordered_map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < groups_.size(); ++i) known.emplace(groups_[i].path, i);
  std::vector<const h5::VarsGroup*> found = reader.groups();
  std::ranges::stable_sort(found, {}, &h5::VarsGroup::order);
  for (const h5::VarsGroup* part : found) {
    const auto [place, fresh] = known.emplace(part->path, groups_.size());
    if (fresh) groups_.push_back({part->path, {}, {}, {}});
    StoredGroup& group = groups_[place->second];
    if (!group.name) group.name = part->name;
    if (group.problem.empty()) group.problem = part->problem;
    for (const auto& [key, dataset] : part->datasets)
      group.variables.push_back({key, dataset, file});
    std::ranges::stable_sort(group.variables, written_before);
  }
}

std::size_t StoredWeights::variable_count() const noexcept {
  std::size_t count = 0;
  for (const StoredGroup& group : groups_) count += group.variables.size();
  return count;
}

std::uint64_t StoredWeights::nbytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const StoredGroup& group : groups_) {
    for (const StoredVariable& variable : group.variables) bytes += variable.dataset.nbytes;
  }
  return bytes;
}

void StoredWeights::require_as_saved() {
  checkpoint::verify_index(path_, index_seal_);
  const fs::path* index = sharded_ ? &path_ : nullptr;
  for (const h5::Reader& reader : readers_) {
    seals_.push_back(checkpoint::require_as_saved(reader, index, index_seal_));
  }
}

void StoredWeights::require_sound() const {
  for (const h5::Reader& reader : readers_) {
    // find() words what is wrong with a group and its datasets.
    for (const h5::VarsGroup* group : reader.groups()) (void)reader.find(group->path);
    if (const auto problems = reader.problems(); !problems.empty())
      throw FormatError(problems.front());
  }
}

Tensor StoredWeights::read(const StoredGroup& group, const StoredVariable& variable) const {
  const h5::Dataset& dataset = variable.dataset;
  if (!dataset.type.dtype) {
    throw FormatError("'" + files_[variable.file] + "': " + group.path + "/" + variable.key +
                      " is of type " + dataset.type.description +
                      ", which has no counterpart among the dtypes");
  }
  Tensor tensor = Tensor::empty(dataset.shape, *dataset.type.dtype);
  const h5::Reader& reader = readers_[variable.file];
  reader.read(dataset, tensor.bytes());
  if (variable.file < seals_.size() && seals_[variable.file]) {
    checkpoint::verify_tensor(*seals_[variable.file], reader, dataset, tensor.bytes());
  }
  return tensor;
}

}  // namespace lamina::cli
