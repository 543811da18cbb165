#include "checkpoint/load/catalog.h"

#include <lamina/error.h>

#include <algorithm>
#include <unordered_map>

#include "checkpoint/load/open_files.h"

namespace lamina::checkpoint {
namespace {

constexpr std::string_view kLayers = "layers";
constexpr std::string_view kOldLayers =
    "_layer_checkpoint_dependencies";  // TensorFlow's Keras 2.13

std::string old_path(std::string path) {
  for (std::size_t at = path.find(kLayers); at != path.npos;
       at = path.find(kLayers, at + kOldLayers.size())) {
    path.replace(at, kLayers.size(), kOldLayers);
  }
  return path;
}

const h5::VarsGroup* find_in(const h5::Reader& reader, const std::string& vars_path) {
  if (const h5::VarsGroup* group = reader.find(vars_path)) return group;
  if (!reader.has_root_member(std::string(kOldLayers))) return nullptr;
  return reader.find(old_path(vars_path));
}

void add(CatalogGroup& out, const h5::VarsGroup& group, const h5::Reader& reader) {
  out.count += group.datasets.size();
  for (const auto& [key, dataset] : group.datasets)
    out.items.emplace(key, CatalogItem{&dataset, &reader});
}

}  // namespace

bool CatalogItem::fits_file() const {
  if (!dataset->offset) return true;
  const std::uint64_t start = reader->base() + *dataset->offset;
  const std::uint64_t size = reader->file().size();
  return start <= size && dataset->nbytes <= size - start;
}

Catalog::Catalog(const std::filesystem::path& path, storage::Storage& storage, bool verify)
    : path_(path) {
  OpenedFiles files = open_files(path, storage, {.verify_index = verify});
  sharded_ = files.sharded;
  index_seal_ = files.index_seal;
  readers_ = std::move(files.readers);
  if (!sharded_) {
    for (const h5::VarsGroup* group : readers_.front().groups()) paths_.push_back(group->path);
  }
  std::unordered_map<std::string_view, std::size_t> place;
  for (std::size_t i = 0; i < files.names.size(); ++i) place.emplace(files.names[i], i);
  for (const IndexEntry& entry : files.index.entries) {
    std::vector<std::size_t>& readers = weight_map_[entry.path];
    for (const std::string& name : entry.files) readers.push_back(place.at(name));
    paths_.push_back(entry.path);
  }
  std::sort(paths_.begin(), paths_.end());
}

const std::vector<std::size_t>* Catalog::listed(const std::string& vars_path) const {
  // Keras knows a group by its whole path, and by the object's path as the walk says it.
  std::string_view object = vars_path;
  if (object != "/vars") object = object.substr(1, object.rfind('/') - 1);
  for (const std::string_view key : {object, std::string_view(vars_path)}) {
    const auto at = weight_map_.find(key);
    if (at != weight_map_.end() && !at->second.empty()) return &at->second;
  }
  return nullptr;
}

CatalogGroup Catalog::find(const std::string& vars_path) const {
  CatalogGroup out{vars_path, {}, 0};
  const auto take = [&](const h5::Reader& reader) {
    if (const h5::VarsGroup* group = find_in(reader, vars_path)) {
      out.path = group->path;
      add(out, *group, reader);
    }
  };
  if (!sharded_) {
    take(readers_.front());
  } else if (const std::vector<std::size_t>* shards = listed(vars_path)) {
    for (const std::size_t shard : *shards) take(readers_[shard]);
  }
  return out;
}

bool Catalog::has_below(const std::string& path) const {
  const std::string prefix = path + "/";
  const auto at = std::lower_bound(paths_.begin(), paths_.end(), prefix);
  return at != paths_.end() && at->starts_with(prefix);
}

std::map<std::string, CatalogGroup> Catalog::all() const {
  std::map<std::string, CatalogGroup> out;
  for (const h5::Reader& reader : readers_) {
    for (const h5::VarsGroup* group : reader.groups()) {
      CatalogGroup& entry = out[group->path];
      entry.path = group->path;
      add(entry, *group, reader);
    }
  }
  return out;
}

std::vector<std::string_view> Catalog::all_paths() const {
  std::vector<std::string_view> out;
  for (const h5::Reader& reader : readers_) {
    for (const h5::VarsGroup* group : reader.groups()) {
      if (!group->datasets.empty()) out.push_back(group->path);
    }
  }
  // One file has them sorted.
  if (readers_.size() > 1) std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::string> Catalog::problems() const {
  std::vector<std::string> out;
  for (const h5::Reader& reader : readers_) {
    for (std::string& problem : reader.problems()) out.push_back(std::move(problem));
  }
  return out;
}

}  // namespace lamina::checkpoint
