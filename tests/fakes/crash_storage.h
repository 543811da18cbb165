#pragma once
#include <lamina/error.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>

#include "storage/memory_file.h"
#include "storage/storage.h"
#include "tests/fakes/crash_disk.h"

namespace lamina::testing {

/// One directory in memory, which records all that is done to it. What was done can be replayed on
/// the disk it began with, up to any operation, and the power cut there. A storage that begins with
/// the disk of another is a process that starts after the other was killed: nothing is locked.
class CrashStorage final : public storage::Storage {
 public:
  using Path = storage::Path;
  using Kind = Operation::Kind;

  explicit CrashStorage(CrashDisk disk = {}) : disk_(std::move(disk)) {}

  [[nodiscard]] const CrashDisk& disk() const { return disk_; }
  [[nodiscard]] const std::vector<Operation>& log() const { return log_; }

  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return std::make_unique<storage::MemoryFile>(path, disk_.bytes(find("open", path)));
  }
  std::unique_ptr<storage::WritableFile> create(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const std::size_t file = disk_.next_file();
    record({Kind::kCreate, name(path), {}, file});
    return std::make_unique<Writable>(*this, path, file);
  }
  bool exists(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.names().contains(name(path));
  }
  bool link(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    (void)find("link", from);
    record({Kind::kLink, name(from), name(to)});
    return true;
  }
  void rename(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    (void)find("rename", from);
    record({Kind::kRename, name(from), name(to)});
  }
  void remove(const Path& path) override {
    const std::lock_guard lock(mutex_);
    (void)find("unlink", path);
    record({Kind::kRemove, name(path), {}});
  }
  void create_directory(const Path& path) override { refuse_directories(path); }
  void remove_directory(const Path& path) override { refuse_directories(path); }
  std::vector<std::string> list(const Path&) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [name, file] : disk_.names()) out.push_back(name);
    return out;
  }
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (!locked_.insert(name(path)).second) return nullptr;
    if (!disk_.names().contains(name(path))) {
      record({Kind::kCreate, name(path), {}, disk_.next_file()});
    }
    return std::make_unique<Held>(*this, path);
  }
  void sync_directory(const Path&) override {
    const std::lock_guard lock(mutex_);
    record({Kind::kSyncDirectory, {}, {}});
  }

 private:
  static std::string name(const Path& path) { return path.filename().string(); }

  /// The one directory is all that a save touches.
  [[noreturn]] static void refuse_directories(const Path& path) {
    throw std::logic_error("one directory only: '" + path.string() + "'");
  }
  [[nodiscard]] std::size_t find(const char* call, const Path& path) const {
    const auto at = disk_.names().find(name(path));
    if (at != disk_.names().end()) return at->second;
    throw FileNotFoundError(std::string(call) + " failed for '" + path.string() + "'", ENOENT);
  }
  void record(Operation op) {
    disk_.apply(op);
    log_.push_back(std::move(op));
  }

  class Writable final : public storage::WritableFile {
   public:
    Writable(CrashStorage& owner, Path path, std::size_t file)
        : owner_(owner), path_(std::move(path)), file_(file) {}
    const Path& path() const override { return path_; }
    void resize(std::uint64_t size) override { record({Kind::kResize, {}, {}, file_, size}); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      record({Kind::kWrite, {}, {}, file_, offset, {bytes.begin(), bytes.end()}});
    }
    void sync() override { record({Kind::kSync, {}, {}, file_}); }
    void close() override {}

   private:
    void record(Operation op) {
      const std::lock_guard lock(owner_.mutex_);
      owner_.record(std::move(op));
    }

    CrashStorage& owner_;
    Path path_;
    std::size_t file_;
  };

  class Held final : public storage::Lock {
   public:
    Held(CrashStorage& owner, Path path) : owner_(owner), path_(std::move(path)) {}
    ~Held() override {
      const std::lock_guard lock(owner_.mutex_);
      owner_.record({Kind::kRemove, name(path_), {}});
      owner_.locked_.erase(name(path_));
    }
    [[nodiscard]] bool exclusive() const override { return true; }

   private:
    CrashStorage& owner_;
    Path path_;
  };

  std::mutex mutex_;
  CrashDisk disk_;
  std::vector<Operation> log_;
  std::set<std::string> locked_;
};

}  // namespace lamina::testing
