#pragma once
#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>

#include "h5/read/reader.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// Has `open` open the files that the text of an index lists, and again when a save has put others
/// in place meanwhile, so that what is open in the end is of one save, sealed or not. `replaced`
/// says of what `open` has opened, even if it threw, whether another file is there now. Throws what
/// `open` throws of files that were left alone, and StorageError, also when it finds no end.
void open_whole(const std::filesystem::path& index, storage::Storage& storage,
                const std::function<void(const std::string& text)>& open,
                const std::function<bool()>& replaced);

template <class Readers>
[[nodiscard]] bool any_replaced(const Readers& readers) {
  return std::any_of(readers.begin(), readers.end(),
                     [](const h5::Reader& reader) { return reader.file().is_replaced(); });
}

}  // namespace lamina::checkpoint
