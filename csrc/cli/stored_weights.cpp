#include "cli/stored_weights.h"

#include <lamina/error.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "checkpoint/index/index.h"
#include "checkpoint/load/seals.h"
#include "checkpoint/load/whole_open.h"
#include "checkpoint/names/paths.h"
#include "storage/storage.h"
#include "storage/zip_member.h"

namespace lamina::cli {
namespace {

namespace fs = std::filesystem;

/// Shards in the order of their names, which is the order of writing. The first one may hold
/// nothing but groups without variables, which no index lists.
std::vector<std::string> shards_of(const checkpoint::Index& index, const fs::path& path) {
  std::vector<std::string> names;
  const std::string first = checkpoint::shard_name(checkpoint::shard_base(path), 0);
  if (storage::posix().exists(path.parent_path() / first)) names.push_back(first);
  for (const checkpoint::IndexEntry& entry : index.entries) {
    for (const std::string& file : entry.files) names.push_back(file);
  }
  std::ranges::sort(names, {},
                    [](const std::string& name) { return std::pair(name.size(), name); });
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
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
  switch (checkpoint::load_kind(path)) {
    case checkpoint::LoadKind::kSingle:
      add_file(path.filename().string(), h5::Reader(storage::posix().open(path)));
      break;
    case checkpoint::LoadKind::kArchive: {
      constexpr const char* kMember = "model.weights.h5";
      const storage::ZipMember member = storage::open_member(storage::posix().open(path), kMember);
      add_file(kMember, h5::Reader(member.file, member.base, member.size));
      break;
    }
    case checkpoint::LoadKind::kSharded: {
      sharded_ = true;
      checkpoint::open_whole(
          path, storage::posix(), [&](const std::string& text) { open_shards(text); },
          [&] { return checkpoint::any_replaced(readers_); });
      break;
    }
  }
}

void StoredWeights::open_shards(const std::string& text) {
  groups_.clear();
  files_.clear();
  readers_.clear();
  index_seal_ = checkpoint::find_index_seal(text);
  const checkpoint::Index index = checkpoint::parse_index(text, path_.string());
  for (const std::string& shard : shards_of(index, path_)) {
    add_file(shard, h5::Reader(storage::posix().open(path_.parent_path() / shard)));
  }
  apply_order(groups_, index);
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
  for (const h5::Reader& reader : readers_) {
    const auto& sealed = seals_.emplace_back(checkpoint::read_sealed_file(reader));
    if (sealed) checkpoint::verify_rest(*sealed, reader);
    if (sharded_) checkpoint::verify_membership(path_, index_seal_, reader, sealed);
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
