#include "storage/text_file.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <span>

namespace lamina::storage {

std::string read_text(const Path& path, Storage& storage, std::size_t most, std::string_view what) {
  const auto file = storage.open(path);
  if (file->size() > most) {
    throw FormatError(
        fmt::format("The {} '{}' is larger than any {} can be.", what, path.string(), what));
  }
  std::string text(file->size(), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

void write_text(const Path& path, std::string_view text, Storage& storage) {
  const auto file = storage.create(path);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
}

}  // namespace lamina::storage
