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
  /// Where the elements lie in one piece; nothing when they are chunked, compact or not stored.
  std::optional<std::uint64_t> offset;
  /// True when `offset` is set (or nbytes is 0) and the stored bytes are those of a Tensor of
  /// `type.dtype`: little-endian, same width, bool as 0 and 1.
  bool plain = false;
};

/// The weights that a file holds: every group called `vars` and its datasets.
struct VarsGroup {
  std::string path;                 ///< "/layers/dense/vars", root "/vars"
  std::optional<std::string> name;  ///< the `name` attribute
  std::map<std::string, Dataset> datasets;  ///< by key; keys with '/' for nested groups
};

/// Reads HDF5 files that nobody vouches for. Metadata is parsed once, within bounds, without recursion
/// on the file's word; links are never followed out of the file.
class Reader {
 public:
  /// Parses the metadata of a file, or of `window` bytes of it at `base` (a member stored in an archive).
  /// Throws FormatError naming `file.path()` and the object's path; "file signature not found" and
  /// "truncated file" as HDF5 words them.
  explicit Reader(std::shared_ptr<const storage::ReadableFile> file, std::uint64_t base = 0,
                  std::optional<std::uint64_t> window = {});
  ~Reader();
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;

  /// The `vars` group at an absolute path, nothing when there is none. Throws FormatError when a soft
  /// or external link stands in the way ("Not allowed: H5 file with SoftLink"), or something that is no
  /// group; for a dataset that is external, virtual, or declares more than it stores (chapter 11).
  [[nodiscard]] const VarsGroup* find(const std::string& path) const;
  /// All `vars` groups, in path order: for inspection and for naming what is near.
  [[nodiscard]] std::vector<const VarsGroup*> groups() const;
  /// True when the root has a member of that name (`_layer_checkpoint_dependencies`).
  [[nodiscard]] bool has_root_member(const std::string& name) const;

  /// Reads a whole dataset as elements of its own `type.dtype`, in native order. `out` holds exactly
  /// size x dtype_size bytes. Works for every layout that Lamina reads.
  void read(const Dataset& dataset, std::span<std::byte> out) const;

  [[nodiscard]] const storage::ReadableFile& file() const;
  /// Added to Dataset::offset to get a position in `file()`.
  [[nodiscard]] std::uint64_t base() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lamina::h5
