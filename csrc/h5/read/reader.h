#pragma once
#include <lamina/dtype.h>
#include <lamina/shape.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace lamina::h5 {

/// Element type of a dataset as the file says it.
struct Datatype {
  enum class Class : std::uint8_t { kInteger, kFloat, kOpaque, kEnum, kOther };
  Class kind = Class::kOther;
  std::size_t size = 0;  ///< bytes of one element
  bool big_endian = false;
  bool is_signed = false;
  /// Lamina's dtype for these elements (byte order aside); none for what has no counterpart.
  std::optional<DType> dtype;
  std::string description;  ///< for messages: "opaque(2)", "float64 big-endian", "compound"
};

/// A dataset's whereabouts. Nothing of its data has been read.
struct Dataset {
  std::string path;
  Shape shape;
  Datatype type;
  std::uint64_t nbytes = 0;  ///< as declared by shape and type
  std::uint64_t stored = 0;  ///< bytes that the file holds for it, compressed or not
  /// Where the elements lie in one piece; nothing when they are chunked, compact or not stored.
  std::optional<std::uint64_t> offset;
  /// True when `offset` is set (or nbytes is 0) and the stored bytes are those of a Tensor of
  /// `type.dtype`: little-endian, same width. Never for bool, whose bytes may be other than 0
  /// and 1.
  bool plain = false;
  std::string problem;       ///< why `find()` and `read()` refuse it; empty for a good one
  std::uint64_t header = 0;  ///< address of its object header; the same for all of its hard links
  std::size_t order = 0;     ///< position among its group's datasets, as they were made
};

/// The weights that a file holds: every group called `vars` and its datasets.
struct VarsGroup {
  std::string path;                         ///< "/layers/dense/vars", root "/vars"
  std::optional<std::string> name;          ///< the `name` attribute
  std::map<std::string, Dataset> datasets;  ///< by key; keys with '/' for nested groups
  std::string problem;  ///< why `find()` refuses all of it; empty for a good one
  /// Position among the file's groups in the order in which a walk from the root made them: the
  /// order of saving. Set by `Reader::groups()`.
  std::size_t order = 0;
};

/// Reads HDF5 files that nobody vouches for. Each piece of metadata is parsed once, when first
/// needed, within bounds and without recursion on the file's word; links are never followed out of
/// the file. What is damaged or hostile is refused where it is asked for, and does not stand in the
/// way of the rest. Names are bytes as the file has them. Safe for use by several threads.
class Reader {
 public:
  /// Opens a file, or `window` bytes of it at `base` (a member stored in an archive). Throws
  /// FormatError naming `file.path()`; "file signature not found" and "truncated file" as HDF5
  /// words them, the latter with what it has lost.
  explicit Reader(std::shared_ptr<const storage::ReadableFile> file, std::uint64_t base = 0,
                  std::optional<std::uint64_t> window = {});
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  /// The `vars` group at an absolute path, nothing when there is none. Throws FormatError when a
  /// soft or external link stands in the way ("Not allowed: H5 file with SoftLink"), or something
  /// that is no group; for a dataset that is external, virtual, or declares more than it stores
  /// (chapter 11).
  [[nodiscard]] const VarsGroup* find(const std::string& path) const;
  /// All `vars` groups, in path order: for inspection and for naming what is near. Groups that
  /// `find()` would refuse are listed too, with their `problem`. A group with several hard links is
  /// listed under one of them. Never throws FormatError.
  [[nodiscard]] std::vector<const VarsGroup*> groups() const;
  /// What `groups()` could not look into, one line each: links out of the file, damaged groups.
  [[nodiscard]] std::vector<std::string> problems() const;
  /// The group at an absolute path, whatever its name, with its datasets; nothing when there is
  /// none. `groups()` does not come to know of it. Throws what `find` throws.
  [[nodiscard]] std::optional<VarsGroup> look_at(const std::string& path) const;
  /// The dataset at an absolute path, wherever that is; nothing when there is none. Throws what
  /// `find` throws.
  [[nodiscard]] std::optional<Dataset> dataset(const std::string& path) const;
  /// The texts that an attribute of the object at an absolute path lists ("/" is the root); no
  /// value where there is no such object or attribute. Throws FormatError for links in the way, and
  /// for what is damaged or no list of texts.
  [[nodiscard]] std::optional<std::vector<std::string>> texts(const std::string& path,
                                                              const std::string& attribute) const;
  /// The text that an attribute of such an object is; no value likewise, and for what is no text.
  [[nodiscard]] std::optional<std::string> text(const std::string& path,
                                                const std::string& attribute) const;
  /// True when the root has a member of that name (`_layer_checkpoint_dependencies`).
  [[nodiscard]] bool has_root_member(const std::string& name) const;

  /// Reads a whole dataset as elements of its own `type.dtype`, in native order. `out` holds
  /// exactly size x dtype_size bytes. Works for every layout that Lamina reads.
  void read(const Dataset& dataset, std::span<std::byte> out) const;

  [[nodiscard]] const storage::ReadableFile& file() const;
  /// Added to Dataset::offset to get a position in `file()`.
  [[nodiscard]] std::uint64_t base() const;
  /// Bytes of the file, or of the window, from `base()` on. What is HDF5's may end earlier.
  [[nodiscard]] std::uint64_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lamina::h5
