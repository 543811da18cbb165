#pragma once
#include <span>

#include "h5/read/reader.h"

namespace lamina::h5 {

/// A datatype message, and what only parsers ask of it.
struct ParsedDatatype {
  Datatype type;
  bool has_tag = false;             ///< an opaque type's, not empty
  bool is_string = false;           ///< fixed-length text
  bool is_variable_string = false;  ///< text in the global heap
};

/// Reads a datatype message. What has no counterpart among Lamina's dtypes is told in `description`
/// and left without `dtype`; an opaque type of two bytes with an empty tag is left so too, since an
/// attribute must say that it is bfloat16. Throws Malformed for what cannot be a datatype.
[[nodiscard]] ParsedDatatype read_datatype(std::span<const std::byte> message);

}  // namespace lamina::h5
