#pragma once
#include <optional>
#include <string>
#include <vector>

#include "h5/read/object_header.h"

namespace lamina::h5 {

struct TextAttribute {
  std::string value;
  /// Of variable length, as h5py writes Python's str. Keras takes text of a fixed length for bytes.
  bool variable = false;
};

/// The scalar text attribute `name` of an object; nothing when there is none or it is no text.
/// Throws Malformed when it is damaged.
[[nodiscard]] std::optional<TextAttribute> read_text_attribute(Metadata& metadata,
                                                               const ObjectHeader& header,
                                                               const std::string& name);

/// The texts that the attribute `name` of an object lists: one dimension of text, or nothing of any
/// type. No value where there is no such attribute. Throws Malformed when it is damaged or
/// something else.
[[nodiscard]] std::optional<std::vector<std::string>> read_text_list(Metadata& metadata,
                                                                     const ObjectHeader& header,
                                                                     const std::string& name);

}  // namespace lamina::h5
