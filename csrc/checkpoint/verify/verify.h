#pragma once
#include <lamina/error.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "storage/storage.h"

namespace lamina::checkpoint {

/// What `verify` found.
struct VerifyReport {
  std::vector<std::string> problems;  ///< each names a file, and the tensor where one is concerned
  /// What could not be looked at, likewise, and why: nothing is known of that.
  std::vector<std::string> unreadable;
  std::exception_ptr failure;         ///< of the first of those
  std::vector<std::string> unsealed;  ///< files of which only the structure can be checked
  std::size_t files = 0;              ///< HDF5 files that could be opened
  std::size_t tensors = 0;            ///< whose checksums were computed
  std::uint64_t bytes = 0;            ///< theirs
};

/// True for what says that a file is at fault: it is missing, or holds what it should not. False
/// for what may be otherwise the next time, such as StorageError for one that cannot be read just
/// now.
[[nodiscard]] bool tells_damage(const Error& error);

/// Adds what the error that is being handled tells, in these words: a problem, or that something
/// cannot be read.
void note(const Error& error, std::string text, VerifyReport& report);

/// Checks all that can be known of a checkpoint without a model: that the files are all there, are
/// sound, belong together, and hold the bytes that were saved. Goes on after a problem, and after a
/// file that cannot be read. `progress` hears of tensors' bytes, from any thread, one call at a
/// time. Throws for a name that is no checkpoint's and for a single file, or an index, that cannot
/// be opened.
[[nodiscard]] VerifyReport verify(
    const std::filesystem::path& checkpoint,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress,
    storage::Storage& storage);

}  // namespace lamina::checkpoint
