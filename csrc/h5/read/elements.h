#pragma once
#include "h5/read/dataset_info.h"

namespace lamina::h5 {

/// Reads all elements of a dataset into `out`, which has exactly `info.nbytes` bytes: as stored,
/// and the fill value for what is not.
void read_elements(const storage::ReadableFile& file, Metadata& metadata, const DatasetInfo& info,
                   std::span<std::byte> out);

/// Turns stored elements into native ones in place: little-endian, bool as 0 and 1.
void make_native(const Datatype& type, std::span<std::byte> elements);

}  // namespace lamina::h5
