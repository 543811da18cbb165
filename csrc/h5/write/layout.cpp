#include "h5/write/layout.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <limits>

#include "core/direct_io.h"
#include "h5/format.h"
#include "h5/write/field_writer.h"
#include "h5/write/layout_headers.h"
#include "h5/write/layout_tree.h"

namespace lamina::h5 {
namespace {

// Large tensors start on a block of the disk, so that they can be written past the page cache and
// mapped. All others lie together, so that thousands of them take few writes.
constexpr std::uint64_t kLarge = core::kSmallestDirect;
constexpr std::uint64_t kBlock = core::kDirectAlignment;
constexpr std::uint64_t kLongestFile = std::uint64_t{1} << 62;
constexpr std::uint64_t kSuperblockBytes = 96;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

/// First every object gets its place, then all are written: what lies before points to what lies
/// behind.
class Writer {
 public:
  Writer(const std::vector<LayoutGroup>& groups, bool align)
      : tree_(groups),
        groups_(tree_.groups.size()),
        datasets_(tree_.datasets.size()),
        large_(align ? kLarge : std::numeric_limits<std::uint64_t>::max()) {
    std::uint64_t end = kSuperblockBytes;
    for (std::size_t i = 0; i < groups_.size(); ++i) end = place_group(i, end);
    metadata_size_ = texts_.place_at(end);
    file_size_ = place_data(metadata_size_);
  }

  [[nodiscard]] Layout write(const std::vector<LayoutGroup>& groups) const {
    Layout out;
    out.file_size = file_size_;
    out.metadata.resize(metadata_size_);
    write_superblock(out.metadata);
    for (std::size_t i = 0; i < groups_.size(); ++i) write_group(out.metadata, i);
    for (std::size_t i = 0; i < datasets_.size(); ++i) write_dataset(out.metadata, i);
    texts_.write(out.metadata);
    std::size_t next = 0;
    out.offsets.reserve(groups.size());
    for (const LayoutGroup& group : groups) {
      std::vector<std::uint64_t>& offsets = out.offsets.emplace_back();
      offsets.reserve(group.datasets.size());
      for (std::size_t k = 0; k < group.datasets.size(); ++k) {
        offsets.push_back(datasets_[next++].offset);
      }
    }
    return out;
  }

 private:
  struct Group {
    std::uint64_t header;
    SymbolTablePlaces symbols;
    std::size_t name = kNone;  // among the texts
  };
  struct Dataset {
    std::uint64_t header;
    std::uint64_t offset = 0, size = 0;
    std::size_t dtype = kNone;  // among the texts
  };

  /// The group, then the headers of its datasets.
  std::uint64_t place_group(std::size_t i, std::uint64_t at) {
    const LayoutTree::Group& group = tree_.groups[i];
    const bool has_name = group.given != nullptr && group.given->has_name;
    if (has_name) groups_[i].name = texts_.add(group.given->name);
    groups_[i].header = at;
    std::uint64_t name_bytes = 0;
    for (const LayoutTree::Child& child : group.children) name_bytes += heap_bytes(child.name);
    groups_[i].symbols =
        place_symbol_table(group.children.size(), name_bytes, at + group_header_bytes(has_name));
    at = groups_[i].symbols.end;
    for (const LayoutTree::Child& child : group.children) {
      if (!child.is_group) at = place_dataset(child.index, at);
    }
    return at;
  }

  std::uint64_t place_dataset(std::size_t i, std::uint64_t at) {
    const LayoutDataset& dataset = *tree_.datasets[i];
    if (has_dtype_attribute(dataset.dtype))
      datasets_[i].dtype = texts_.add(dtype_name(dataset.dtype));
    datasets_[i].header = at;
    const auto elements = static_cast<std::uint64_t>(dataset.shape.size());
    const std::size_t width = dtype_size(dataset.dtype);
    if (elements > kLongestFile / width) {
      throw FormatError(fmt::format("Dataset '{}' of shape {} is longer than a file can be.",
                                    dataset.key, dataset.shape.str()));
    }
    datasets_[i].size = elements * width;
    return at + dataset_header_bytes(dataset);
  }

  std::uint64_t place_data(std::uint64_t at) {
    for (Dataset& dataset : datasets_) {
      if (dataset.size < large_) continue;
      dataset.offset = (at + kBlock - 1) / kBlock * kBlock;
      at = end_of(dataset);
    }
    for (Dataset& dataset : datasets_) {
      if (dataset.size == 0 || dataset.size >= large_) continue;
      dataset.offset = at;
      at = end_of(dataset);
    }
    return at;
  }

  static std::uint64_t end_of(const Dataset& dataset) {
    const std::uint64_t end = dataset.offset + dataset.size;
    if (end > kLongestFile) throw FormatError("The tensors are longer than a file can be.");
    return end;
  }

  [[nodiscard]] Symbol symbol(const LayoutTree::Child& child) const {
    if (!child.is_group) return {child.name, datasets_[child.index].header, false};
    const Group& group = groups_[child.index];
    return {child.name, group.header, true, group.symbols.root, group.symbols.heap};
  }

  void write_superblock(std::span<std::byte> file) const {
    static constexpr std::uint8_t kSignature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    FieldWriter out(file.first(kSuperblockBytes));
    out.bytes(kSignature);
    out.skip(5);                    // versions, all 0
    out.u8(sizeof(std::uint64_t));  // of an address
    out.u8(sizeof(std::uint64_t));  // of a length
    out.skip(1);
    out.u16(kLeafK);
    out.u16(kNodeK);
    out.skip(4 + 8);  // flags; the file begins at 0
    out.u64(kUndefined);
    out.u64(file_size_);
    out.u64(kUndefined);
    write_symbol(out.take(kSymbolBytes), 0, symbol({"", true, 0}));
  }

  void write_group(std::span<std::byte> file, std::size_t i) const {
    const Group& group = groups_[i];
    const TextPlace name = group.name == kNone ? TextPlace() : texts_.place(group.name);
    write_group_header(file.subspan(group.header, group.symbols.heap - group.header), group.symbols,
                       group.name == kNone ? nullptr : &name);
    std::vector<Symbol> symbols;
    symbols.reserve(tree_.groups[i].children.size());
    for (const LayoutTree::Child& child : tree_.groups[i].children) {
      symbols.push_back(symbol(child));
    }
    write_symbol_table(file, group.symbols, symbols, tree_.groups[i].path);
  }

  void write_dataset(std::span<std::byte> file, std::size_t i) const {
    const Dataset& dataset = datasets_[i];
    const TextPlace dtype = dataset.dtype == kNone ? TextPlace() : texts_.place(dataset.dtype);
    const std::uint64_t bytes = dataset_header_bytes(*tree_.datasets[i]);
    write_dataset_header(file.subspan(dataset.header, bytes), *tree_.datasets[i], dataset.offset,
                         dataset.size, dataset.dtype == kNone ? nullptr : &dtype);
  }

  LayoutTree tree_;
  LayoutTexts texts_;
  std::vector<Group> groups_;
  std::vector<Dataset> datasets_;
  const std::uint64_t large_;  // what is aligned
  std::uint64_t metadata_size_ = 0, file_size_ = 0;
};

}  // namespace

Layout make_layout(const std::vector<LayoutGroup>& groups, bool align) {
  return Writer(groups, align).write(groups);
}

}  // namespace lamina::h5
