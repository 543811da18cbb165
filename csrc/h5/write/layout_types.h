#pragma once
#include <lamina/dtype.h>

#include <cstdint>
#include <span>

namespace lamina::h5 {

/// The datatype message of a dataset of this dtype, as h5py and Keras write it.
[[nodiscard]] std::span<const std::uint8_t> type_bytes(DType dtype);

/// That of a text of variable length in UTF-8.
[[nodiscard]] std::span<const std::uint8_t> text_type();

}  // namespace lamina::h5
