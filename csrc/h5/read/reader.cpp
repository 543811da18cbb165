#include "h5/read/reader.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <mutex>

#include "core/printable.h"
#include "h5/read/bomb_guard.h"
#include "h5/read/elements.h"
#include "h5/read/file_tree.h"
#include "h5/read/superblock.h"

namespace lamina::h5 {
namespace {

using core::printable;

Superblock open_superblock(const storage::ReadableFile& file, std::uint64_t base,
                           std::optional<std::uint64_t> window) {
  try {
    if (base > file.size() || window.value_or(0) > file.size() - base) {
      malformed("it ends before the HDF5 file that should lie in it at {}", base);
    }
    return read_superblock(file, base, window.value_or(file.size() - base));
  } catch (const Malformed& error) {
    throw FormatError(printable(file.path().string()) + ": " + error.what());
  }
}

}  // namespace

struct Reader::Impl {
  Impl(std::shared_ptr<const storage::ReadableFile> opened, std::uint64_t start,
       std::optional<std::uint64_t> window)
      : file(std::move(opened)),
        superblock(open_superblock(*file, start, window)),
        base(start + superblock.start),
        tree(file->path().string(), metadata(), superblock.root),
        guard(superblock.size) {
    if (superblock.truncation.empty()) return;
    throw FormatError(printable(file->path().string()) + ": " + superblock.truncation + lost());
  }

  /// Of a file that ends too early: what is no longer whole, as far as what is left tells.
  [[nodiscard]] std::string lost() {
    tree.walk();
    std::string first;
    std::size_t count = 0;
    for (const auto& [path, group] : tree.vars()) {
      for (const auto& [key, dataset] : group.datasets) {
        if (dataset.problem.empty()) continue;
        if (count++ == 0) first = dataset.path;
      }
    }
    if (count == 0) return {};
    const std::string more = count == 1 ? "" : fmt::format(" and {} more", count - 1);
    return fmt::format(": what is left does not hold '{}'{}", printable(first), more);
  }

  /// A fresh view of the file, with a budget of its own.
  [[nodiscard]] Metadata metadata() const {
    Metadata result(*file, base, superblock.size);
    result.widths = superblock.widths;
    return result;
  }

  /// Read anew; nothing where there is no such group. Throws FormatError for one with a problem.
  [[nodiscard]] std::optional<VarsGroup> group_at(const std::string& path) {
    const auto address = tree.resolve(path);
    if (!address) return std::nullopt;
    VarsGroup group = tree.read_group(path, *address);
    if (!group.problem.empty()) tree.refuse(path.empty() ? "/" : path, group.problem);
    return group;
  }
  /// Throws FormatError for a dataset with a problem, and for one that is one too many.
  void admit(const Dataset& dataset) {
    if (!dataset.problem.empty()) tree.refuse(dataset.path, dataset.problem);
    try {
      guard.admit(dataset);
    } catch (const Malformed& error) {
      tree.refuse(dataset.path, error.what());
    }
  }

  std::shared_ptr<const storage::ReadableFile> file;
  Superblock superblock;
  std::uint64_t base;
  std::mutex mutex;  ///< guards what follows
  FileTree tree;
  BombGuard guard;
};

Reader::Reader(std::shared_ptr<const storage::ReadableFile> file, std::uint64_t base,
               std::optional<std::uint64_t> window)
    : impl_(std::make_unique<Impl>(std::move(file), base, window)) {}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

const VarsGroup* Reader::find(const std::string& path) const {
  if (!path.starts_with('/')) return find("/" + path);
  const std::lock_guard lock(impl_->mutex);
  const auto address = impl_->tree.resolve(path);
  if (!address) return nullptr;
  const VarsGroup& group = impl_->tree.vars_at(path, *address);
  if (!group.problem.empty()) impl_->tree.refuse(path, group.problem);
  for (const auto& [key, dataset] : group.datasets) impl_->admit(dataset);
  return &group;
}

std::optional<VarsGroup> Reader::look_at(const std::string& path) const {
  const std::lock_guard lock(impl_->mutex);
  std::optional<VarsGroup> group = impl_->group_at(path);
  if (!group) return std::nullopt;
  for (const auto& [key, dataset] : group->datasets) impl_->admit(dataset);
  return group;
}

std::optional<Dataset> Reader::dataset(const std::string& path) const {
  const std::lock_guard lock(impl_->mutex);
  const auto address = impl_->tree.resolve(path);
  if (!address) return std::nullopt;
  std::optional<Dataset> found = impl_->tree.read_dataset(path, *address);
  if (found) impl_->admit(*found);
  return found;
}

std::optional<std::vector<std::string>> Reader::texts(const std::string& path,
                                                      const std::string& attribute) const {
  const std::lock_guard lock(impl_->mutex);
  const auto address = impl_->tree.resolve(path);
  if (!address) return std::nullopt;
  return impl_->tree.read_texts(path, *address, attribute);
}

std::optional<std::string> Reader::text(const std::string& path,
                                        const std::string& attribute) const {
  const std::lock_guard lock(impl_->mutex);
  const auto address = impl_->tree.resolve(path);
  if (!address) return std::nullopt;
  return impl_->tree.read_text(path, *address, attribute);
}

std::vector<const VarsGroup*> Reader::groups() const {
  const std::lock_guard lock(impl_->mutex);
  impl_->tree.walk();
  std::vector<const VarsGroup*> result;
  for (const auto& [path, group] : impl_->tree.vars()) result.push_back(&group);
  return result;
}

std::vector<std::string> Reader::problems() const {
  const std::lock_guard lock(impl_->mutex);
  impl_->tree.walk();
  return impl_->tree.problems();
}

bool Reader::has_root_member(const std::string& name) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->tree.root_has(name);
}

void Reader::read(const Dataset& dataset, std::span<std::byte> out) const {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->admit(dataset);
  }
  if (!dataset.type.dtype) {
    impl_->tree.refuse(dataset.path, "elements of the type " + dataset.type.description +
                                         " have no counterpart among the dtypes");
  }
  if (out.size() != dataset.nbytes)
    throw ValueError("Reader::read: the output has another size than the dataset.");
  if (dataset.plain) {
    if (!out.empty()) impl_->file->read_at(impl_->base + *dataset.offset, out);
    return;
  }
  try {
    Metadata metadata = impl_->metadata();
    const DatasetInfo info =
        read_dataset_info(metadata, read_object_header(metadata, dataset.header));
    if (info.nbytes != dataset.nbytes) malformed("the file changed while it was read");
    read_elements(*impl_->file, metadata, info, out);
    make_native(info.type, out);
  } catch (const Malformed& error) {
    impl_->tree.refuse(dataset.path, error.what());
  }
}

const storage::ReadableFile& Reader::file() const {
  return *impl_->file;
}
std::uint64_t Reader::base() const {
  return impl_->base;
}
std::uint64_t Reader::size() const {
  return impl_->superblock.room;
}

}  // namespace lamina::h5
