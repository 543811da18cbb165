#pragma once
#include "h5/read/data_layout.h"
#include "h5/read/filter.h"
#include "h5/read/object_header.h"
#include "h5/read/reader.h"

namespace lamina::h5 {

/// All that a dataset's object header says.
struct DatasetInfo {
  Shape shape;
  std::vector<std::uint64_t> maximum;  ///< largest dimensions, of a chunked one
  Datatype type;
  std::uint64_t nbytes = 0;  ///< declared
  DataLayout layout;
  Pipeline pipeline;
  std::vector<std::byte> fill;  ///< one element, for what is not stored; empty for zeros
};

/// Reads a dataset's description. Throws Malformed for what is damaged, external, virtual, or
/// reaches past the end of the file.
[[nodiscard]] DatasetInfo read_dataset_info(Metadata& metadata, const ObjectHeader& header);

/// Bytes that the file holds for the dataset. Walks the index of a chunked one.
[[nodiscard]] std::uint64_t stored_bytes(Metadata& metadata, const DatasetInfo& info);

}  // namespace lamina::h5
