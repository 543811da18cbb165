#include "h5/read/file_tree.h"

#include <algorithm>
#include <string_view>

#include "core/printable.h"
#include "h5/read/attribute.h"
#include "h5/read/bomb_guard.h"
#include "h5/read/dataset_info.h"

namespace lamina::h5 {
namespace {

using core::printable;

constexpr std::size_t kMostNesting = 256;       ///< groups
constexpr std::size_t kMostNestingInVars = 32;  ///< groups below a `vars`
const std::string kVars = "vars";

const char* refusal(Link::Kind kind) {
  switch (kind) {
    case Link::Kind::kHard:
      return "";
    case Link::Kind::kSoft:
      return "Not allowed: H5 file with SoftLink";
    case Link::Kind::kExternal:
      return "Not allowed: H5 file with ExternalLink";
    case Link::Kind::kOther:
      return "Not allowed: H5 file with a link of an unknown kind";
  }
  __builtin_unreachable();
}

std::optional<std::string> name_attribute(Metadata& metadata, const ObjectHeader& header) {
  try {
    if (auto attribute = read_text_attribute(metadata, header, "name"))
      return std::move(attribute->value);
  } catch (const Malformed&) {
    // Nothing but the eye reads it.
  }
  return std::nullopt;
}

std::string joined(const std::string& path, const std::string& name) {
  std::string result;
  result.reserve(path.size() + 1 + name.size());
  return result.append(path).append(1, '/').append(name);
}

const Link* find_link(const Links& links, std::string_view name) {
  const auto it = std::lower_bound(
      links.begin(), links.end(), name,
      [](const Link& link, std::string_view wanted) { return link.name < wanted; });
  return it == links.end() || it->name != name ? nullptr : &*it;
}

}  // namespace

FileTree::FileTree(std::string label, Metadata metadata, std::uint64_t root)
    : label_(std::move(label)), metadata_(std::move(metadata)), root_(root) {}

void FileTree::refuse(const std::string& path, const std::string& why) const {
  throw FormatError(printable(label_) + ": " + printable(path) + ": " + printable(why));
}

void FileTree::note(const std::string& path, const std::string& why) {
  problems_.push_back(printable(path) + ": " + printable(why));
}

FileTree::Node FileTree::read_node(Metadata& metadata, std::uint64_t address) {
  Node node;
  try {
    const ObjectHeader header = read_object_header(metadata, address);
    if (header.is_dataset()) node.kind = Node::Kind::kDataset;
    if (!header.is_group()) return node;
    node.kind = Node::Kind::kGroup;
    node.name = name_attribute(metadata, header);
    node.links = read_links(metadata, header);
  } catch (const Malformed& error) {
    node.problem = error.what();
    node.links.clear();
  }
  return node;
}

const FileTree::Node& FileTree::node(std::uint64_t address) {
  if (const auto known = nodes_.find(address); known != nodes_.end()) return known->second;
  return nodes_.emplace(address, read_node(metadata_, address)).first->second;
}

/// The group there, whose links are known. Throws Malformed.
const FileTree::Node& FileTree::group(std::uint64_t address) {
  const Node& found = node(address);
  if (!found.problem.empty()) throw Malformed(found.problem);
  if (found.kind != Node::Kind::kGroup) {
    malformed("Invalid H5 file, expected Group but received {}",
              found.kind == Node::Kind::kDataset ? "Dataset" : "another object");
  }
  return found;
}

std::optional<std::uint64_t> FileTree::resolve(const std::string& path) {
  std::uint64_t address = root_;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    const std::size_t parent_end = begin == 0 ? 0 : begin - 1;
    begin = end + 1;
    if (part.empty()) continue;
    try {
      const Link* link = find_link(group(address).links, part);
      if (link == nullptr) return std::nullopt;
      if (link->kind != Link::Kind::kHard) refuse(path.substr(0, end), refusal(link->kind));
      address = link->address;
    } catch (const Malformed& error) {
      refuse(parent_end == 0 ? "/" : path.substr(0, parent_end), error.what());
    }
  }
  return address;
}

bool FileTree::root_has(const std::string& name) {
  try {
    return find_link(group(root_).links, name) != nullptr;
  } catch (const Malformed& error) {
    refuse("/", error.what());
  }
}

VarsGroup& FileTree::vars_at(const std::string& path, std::uint64_t address) {
  if (const auto known = vars_.find(path); known != vars_.end()) return known->second;
  return vars_.emplace(path, read_group(path, address)).first->second;
}

VarsGroup FileTree::read_group(const std::string& path, std::uint64_t address) {
  VarsGroup result;
  result.path = path;
  try {
    result.name = group(address).name;
    collect(result, address);
  } catch (const Malformed& error) {
    result.problem = error.what();
  }
  return result;
}

/// Fills `vars` with the datasets below `address`, those of nested groups under "group/key".
void FileTree::collect(VarsGroup& vars, std::uint64_t address) {
  std::vector<Place> open{{"", address, 0}};
  while (!open.empty()) {
    const Place place = std::move(open.back());
    open.pop_back();
    if (place.depth > kMostNestingInVars)
      malformed("groups nested more than {} deep", kMostNestingInVars);
    for (const Link* link : in_creation_order(group(place.address).links)) {
      const std::string key = place.path + link->name;
      metadata_.charge(key.size());
      if (link->kind != Link::Kind::kHard) malformed("{} ({})", refusal(link->kind), key);
      if (!add_member(vars, key, link->address))
        open.push_back({key + "/", link->address, place.depth + 1});
    }
  }
}

/// Adds the dataset at `address`; false when a group lies there.
bool FileTree::add_member(VarsGroup& vars, const std::string& key, std::uint64_t address) {
  std::optional<Dataset> dataset = read_dataset(joined(vars.path, key), address);
  if (!dataset) return false;
  dataset->order = vars.datasets.size();
  vars.datasets.emplace(key, std::move(*dataset));
  return true;
}

std::optional<Dataset> FileTree::read_dataset(std::string path, std::uint64_t address) {
  Dataset dataset;
  dataset.path = std::move(path);
  dataset.header = address;
  try {
    const ObjectHeader header = read_object_header(metadata_, address);
    if (header.is_group()) return std::nullopt;
    describe(dataset, header);
  } catch (const Malformed& error) {
    dataset.problem = error.what();
  }
  return dataset;
}

std::optional<std::vector<std::string>> FileTree::read_texts(const std::string& path,
                                                             std::uint64_t address,
                                                             const std::string& attribute) {
  try {
    return read_text_list(metadata_, read_object_header(metadata_, address), attribute);
  } catch (const Malformed& error) {
    refuse(path.empty() ? "/" : path, error.what());
  }
}

std::optional<std::string> FileTree::read_text(const std::string& path, std::uint64_t address,
                                               const std::string& attribute) {
  try {
    auto found = read_text_attribute(metadata_, read_object_header(metadata_, address), attribute);
    if (!found) return std::nullopt;
    return std::move(found->value);
  } catch (const Malformed& error) {
    refuse(path.empty() ? "/" : path, error.what());
  }
}

void FileTree::describe(Dataset& dataset, const ObjectHeader& header) {
  DatasetInfo info = read_dataset_info(metadata_, header);
  dataset.stored = stored_bytes(metadata_, info);
  dataset.shape = std::move(info.shape);
  dataset.type = std::move(info.type);
  dataset.nbytes = info.nbytes;
  dataset.problem = BombGuard::check(dataset);
  const DataLayout& layout = info.layout;
  if (layout.kind == DataLayout::Kind::kContiguous && layout.address != kUndefined)
    dataset.offset = layout.address;
  const Datatype& type = dataset.type;
  const bool as_stored =
      type.dtype && type.dtype != DType::kBool && (!type.big_endian || type.size == 1);
  dataset.plain = as_stored && (dataset.offset || dataset.nbytes == 0);
}

/// A group is entered once, however many links lead to it, so that neither cycles nor lattices
/// matter.
void FileTree::walk() {
  if (walked_) return;
  pending_ = {{"", root_, 0}};
  visited_ = {root_};
  problems_.clear();  // of a walk that a file which could not be read just then has ended
  entered_ = 0;
  while (!pending_.empty()) {
    const Place place = std::move(pending_.back());
    pending_.pop_back();
    try {
      if (place.depth > kMostNesting) malformed("groups nested more than {} deep", kMostNesting);
      enter(place);
    } catch (const Malformed& error) {
      note(place.path.empty() ? "/" : place.path, error.what());
    }
  }
  walked_ = true;
}

void FileTree::enter(const Place& place) {
  const std::size_t first = pending_.size();
  for (const Link* link : in_creation_order(group(place.address).links)) {
    std::string child = joined(place.path, link->name);
    metadata_.charge(child.size());
    if (link->kind != Link::Kind::kHard) {
      note(child, refusal(link->kind));
    } else if (const Node& target = node(link->address); !target.problem.empty()) {
      note(child, target.problem);
    } else if (target.kind == Node::Kind::kGroup && visited_.insert(link->address).second) {
      if (link->name == kVars) {
        vars_at(child, link->address).order = entered_++;
      } else {
        pending_.push_back({std::move(child), link->address, place.depth + 1});
      }
    }
  }
  // The last one is taken first: what was made first comes first, with all below it.
  std::reverse(pending_.begin() + static_cast<std::ptrdiff_t>(first), pending_.end());
}

}  // namespace lamina::h5
