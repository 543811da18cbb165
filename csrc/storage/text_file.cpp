#include "storage/text_file.h"

#include <lamina/error.h>

#include "checkpoint/index/index.h"

namespace lamina::checkpoint {

std::string read_text(const std::filesystem::path& path, storage::Storage& storage) {
  const auto file = storage.open(path);
  if (file->size() > kLargestIndex) {
    throw FormatError("The index '" + path.string() + "' is larger than any index can be.");
  }
  std::string text(file->size(), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace lamina::checkpoint
