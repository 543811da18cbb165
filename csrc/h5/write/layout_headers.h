#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "h5/write/layout.h"
#include "h5/write/layout_symbols.h"
#include "h5/write/layout_text.h"

namespace lamina::h5 {

/// Bytes of a group's object header.
[[nodiscard]] std::uint64_t group_header_bytes(bool has_name);
/// `name` is null for a group without the attribute.
void write_group_header(std::span<std::byte> at, const SymbolTablePlaces& symbols,
                        const TextPlace* name);

/// True when the dataset has the attribute `dtype`, by which Keras tells bfloat16; it needs a text.
[[nodiscard]] bool has_dtype_attribute(DType dtype);

/// Bytes of a dataset's object header.
[[nodiscard]] std::uint64_t dataset_header_bytes(const LayoutDataset& dataset);
/// A contiguous dataset of `size` bytes at `offset`; without bytes when `size` is 0. `dtype` is
/// null where there is no such attribute.
void write_dataset_header(std::span<std::byte> at, const LayoutDataset& dataset,
                          std::uint64_t offset, std::uint64_t size, const TextPlace* dtype);

}  // namespace lamina::h5
