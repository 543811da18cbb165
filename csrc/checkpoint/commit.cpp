#include "checkpoint/commit.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/log.h>
#include <unistd.h>

#include <random>

namespace lamina::checkpoint {
namespace {

// Two processes that save to one path at once must not write into each other's files.
std::string unique_id() {
  std::random_device device;
  return fmt::format("{}-{:08x}{:08x}", ::getpid(), device(), device());
}

/// Cleaning up has no caller to report to: tries twice, then says in a warning what is left undone.
template <class F>
bool quietly(F&& action) noexcept {
  for (int attempt = 1; attempt <= 2; ++attempt) {
    try {
      action();
      return true;
    } catch (const std::exception& error) {
      try {
        if (attempt == 2)
          warn(std::string("Cleaning up after a save was not possible: ") + error.what());
      } catch (...) {
      }
    }
  }
  return false;
}

}  // namespace

Commit::Commit(storage::Storage& storage, std::filesystem::path directory)
    : storage_(storage),
      directory_(directory.empty() ? std::filesystem::path(".") : std::move(directory)),
      id_(unique_id()) {}

Commit::~Commit() {
  put_back();
  for (const Replacement& file : files_) {
    if (file.staged) remove_if_there(temporary(file));
    if (file.kept) remove_if_there(second(file));
  }
}

std::filesystem::path Commit::place(const Replacement& file) const {
  return directory_ / file.name;
}

std::filesystem::path Commit::temporary(const Replacement& file) const {
  return directory_ / ("." + file.name + "." + id_ + ".new");
}

std::filesystem::path Commit::second(const Replacement& file) const {
  return directory_ / ("." + file.name + "." + id_ + ".old");
}

std::filesystem::path Commit::stage(const std::string& name) {
  files_.push_back({name, true});
  return temporary(files_.back());
}

void Commit::keep_old(Replacement& file) {
  file.existed = storage_.exists(place(file));
  if (file.existed) file.kept = storage_.link(place(file), second(file));
}

void Commit::run(const std::vector<std::string>& obsolete) {
  for (const std::string& name : obsolete) files_.push_back({name});
  for (Replacement& file : files_) keep_old(file);
  for (Replacement& file : files_) {
    if (file.staged) {
      storage_.rename(temporary(file), place(file));
      file.staged = false;
      file.replaced = true;
    } else if (file.existed) {
      storage_.remove(place(file));
      file.replaced = true;
    }
  }
  storage_.sync_directory(directory_);
  for (Replacement& file : files_) file.replaced = false;  // from here on there is no way back
}

void Commit::put_back() noexcept {
  for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
    if (!file->replaced) continue;
    if (file->kept) {
      file->kept = !quietly([&] { storage_.rename(second(*file), place(*file)); });
    } else if (!file->existed) {
      quietly([&] { storage_.remove(place(*file)); });
    }
  }
}

void Commit::remove_if_there(const std::filesystem::path& path) noexcept {
  quietly([&] {
    if (storage_.exists(path)) storage_.remove(path);
  });
}

}  // namespace lamina::checkpoint
