#include "storage/text_file.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <cerrno>
#include <span>

namespace lamina::storage {

namespace {

std::string text_there(const Path& path, Storage& storage, std::size_t most,
                       std::string_view what) {
  const auto file = storage.open(path);
  if (file->size() > most) {
    throw FormatError(
        fmt::format("The {} '{}' is larger than any {} can be.", what, path.string(), what));
  }
  std::string text(file->size(), '\0');
  file->read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

std::string read_text(const Path& path, Storage& storage, std::size_t most, std::string_view what) {
  // On NFS what another machine has replaced, or removed, since it was opened here cannot be read.
  constexpr int kAttempts = 100;
  for (int attempt = 1;; ++attempt) {
    try {
      return text_there(path, storage, most, what);
    } catch (const StorageError& error) {
      if (error.code() != ESTALE || attempt == kAttempts) throw;
    }
  }
}

void write_text(const Path& path, std::string_view text, Storage& storage) {
  const auto file = storage.create(path);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
}

}  // namespace lamina::storage
