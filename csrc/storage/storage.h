#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lamina::storage {

using Path = std::filesystem::path;

/// A file open for positioned reads. Safe to use from several threads at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  [[nodiscard]] virtual const Path& path() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Fills `out` from `offset`. Throws StorageError on an I/O error, FormatError when the file ends
  /// before `out` is full.
  virtual void read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// True when its path no longer leads to what was opened: another file has come there, or none is
  /// there, or the file itself was written to since. What was opened can still be read, but where
  /// the process has many files open: then StorageError (ESTALE). False for what lies in memory.
  /// Throws StorageError.
  [[nodiscard]] virtual bool is_replaced() const = 0;

  using Seen = std::function<void(std::span<const std::byte>)>;
  /// The same, showing the bytes part by part, in order: small parts while they are in the
  /// processor's caches, large ones where they came past them.
  virtual void read_and_show(std::uint64_t offset, std::span<std::byte> out,
                             const Seen& seen) const {
    read_at(offset, out);
    seen(out);
  }
};

/// A file being made. Positioned writes are safe from several threads at once; the rest is not.
/// The destructor closes without reporting; call `close()` to learn of an error.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  [[nodiscard]] virtual const Path& path() const = 0;
  /// Sets the length, reserving space where the file system can. Throws StorageError (ENOSPC
  /// early).
  virtual void resize(std::uint64_t size) = 0;
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Returns when the bytes and the length are on stable storage.
  virtual void sync() = 0;
  virtual void close() = 0;
};

/// The right to something, given back by the destructor, and by the system when its holder dies.
class Lock {
 public:
  virtual ~Lock() = default;
  /// False where the file system has no locks: then nobody knows who else is at work.
  [[nodiscard]] virtual bool exclusive() const = 0;
};

/// Everything that Lamina does to a file system, in the manner of LevelDB's Env, so that tests can
/// fail, tear or forget each operation. Errors are StorageError (FileNotFoundError for ENOENT) that
/// name the call, the path and the system's reason.
class Storage {
 public:
  virtual ~Storage() = default;
  [[nodiscard]] virtual std::unique_ptr<ReadableFile> open(const Path& path) = 0;
  /// Creates or truncates `path`.
  [[nodiscard]] virtual std::unique_ptr<WritableFile> create(const Path& path) = 0;
  /// Makes an empty file `path` with which all but its owner may do what they may with `like`, by
  /// its mode, group and access list. A later `create` leaves them that. Throws StorageError where
  /// `like` is no regular file (EISDIR for a directory, EINVAL for a pipe or device) or may not be
  /// written to (EACCES), or `path` is there.
  virtual void create_like(const Path& like, const Path& path) = 0;
  [[nodiscard]] virtual bool exists(const Path& path) = 0;
  /// Gives the file `from` a second name. Returns false where the file system has no such thing.
  [[nodiscard]] virtual bool link(const Path& from, const Path& to) = 0;
  /// Replaces `to` in one step.
  virtual void rename(const Path& from, const Path& to) = 0;
  /// Has two names, of files or directories, change places in one step. Returns false where the
  /// file system has no such thing.
  [[nodiscard]] virtual bool exchange(const Path& a, const Path& b) = 0;
  virtual void remove(const Path& path) = 0;
  /// Does nothing when `path` is a directory already; its parent must be there.
  virtual void create_directory(const Path& path) = 0;
  /// Removes an empty directory.
  virtual void remove_directory(const Path& path) = 0;
  /// Names (not paths) of the entries of a directory, sorted.
  [[nodiscard]] virtual std::vector<std::string> list(const Path& directory) = 0;
  /// Takes hold of `path`, a file that stands for nothing but this lock: made if need be, removed
  /// with the lock. Null when another process or thread holds it.
  [[nodiscard]] virtual std::unique_ptr<Lock> try_lock(const Path& path) = 0;
  /// Makes creations, renames and removals in `directory` durable.
  virtual void sync_directory(const Path& directory) = 0;
  /// Makes durable that `directory` itself is there, whoever made it: syncs those that it lies in,
  /// as far as they are of its file system and may be read.
  virtual void sync_parents(const Path& directory) = 0;
  /// True when its rights keep the process from writing to the file that is there.
  [[nodiscard]] virtual bool is_write_protected(const Path& path) = 0;
};

/// Removes `path`, and what is in it when it is a directory. Follows no links.
void remove_all(const Path& path, Storage& storage);

/// Makes a directory and the parents that it lacks, durably. Who made those that are there may have
/// died before that was durable.
void create_directories(const Path& path, Storage& storage);

/// The process's file system. Shared and stateless.
[[nodiscard]] Storage& posix();

}  // namespace lamina::storage
