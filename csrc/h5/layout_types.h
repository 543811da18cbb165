#pragma once
#include <lamina/dtype.h>

#include "h5/layout_handle.h"

namespace lamina::h5 {

/// The HDF5 type under which Keras stores a dtype (keras_format.md 3.3).
[[nodiscard]] Handle file_type(DType dtype);

/// A variable-length UTF-8 string, as h5py writes attributes.
[[nodiscard]] Handle string_type();

}  // namespace lamina::h5
