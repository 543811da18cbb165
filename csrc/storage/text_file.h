#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "storage/storage.h"

namespace lamina::storage {

/// A whole file of text. Throws FormatError when it has more than `most` bytes, which no `what`
/// ("index") has.
[[nodiscard]] std::string read_text(const Path& path, Storage& storage, std::size_t most,
                                    std::string_view what);

/// Makes a file of this text, durably.
void write_text(const Path& path, std::string_view text, Storage& storage);

}  // namespace lamina::storage
