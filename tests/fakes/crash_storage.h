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

/// A directory "d" in memory, with all that is made in it, which records all that is done to it.
/// What was done can be replayed on the disk it began with, up to any operation, and the power cut
/// there. A storage that begins with the disk of another is a process that starts after the other
/// was killed: nothing is locked.
class CrashStorage final : public storage::Storage {
 public:
  using Path = storage::Path;
  using Kind = Operation::Kind;

  explicit CrashStorage(CrashDisk disk = {}) : disk_(std::move(disk)) {}

  [[nodiscard]] const CrashDisk& disk() const { return disk_; }
  [[nodiscard]] const std::vector<Operation>& log() const { return log_; }

  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const std::size_t file = find("open", path);
    if (disk_.is_directory(file)) fail("open", path, EISDIR);
    return std::make_unique<Readable>(*this, path, file);
  }
  std::unique_ptr<storage::WritableFile> create(const Path& path) override {
    const std::lock_guard lock(mutex_);
    const std::size_t file = disk_.next_node();
    record({Kind::kCreate, parent("open", path), name(path), {}, file});
    return std::make_unique<Writable>(*this, path, file);
  }
  void create_like(const Path&, const Path&) override {}  // nobody has more rights than others
  bool exists(const Path& path) override {
    const std::lock_guard lock(mutex_);
    return disk_.find(inner(path)).has_value();
  }
  bool link(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    (void)find("link", from);
    record({Kind::kLink, common_parent(from, to), name(from), name(to)});
    return true;
  }
  void rename(const Path& from, const Path& to) override {
    const std::lock_guard lock(mutex_);
    const std::size_t moved = find("rename", from);
    const auto there = disk_.find(inner(to));
    if (there && disk_.is_directory(*there) && !disk_.names(*there).empty()) {
      fail("rename", to, ENOTEMPTY);
    }
    if (there && disk_.is_directory(*there) != disk_.is_directory(moved)) {
      fail("rename", to, EISDIR);
    }
    record({Kind::kRename, common_parent(from, to), name(from), name(to)});
  }
  bool exchange(const Path& a, const Path& b) override {
    const std::lock_guard lock(mutex_);
    (void)find("renameat2", a);
    (void)find("renameat2", b);
    record({Kind::kExchange, common_parent(a, b), name(a), name(b)});
    return true;
  }
  void remove(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (disk_.is_directory(find("unlink", path))) fail("unlink", path, EISDIR);
    record({Kind::kRemove, parent("unlink", path), name(path)});
  }
  void create_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (const auto there = disk_.find(inner(path))) {
      if (!disk_.is_directory(*there)) fail("mkdir", path, EEXIST);
      return;
    }
    record({Kind::kMakeDirectory, parent("mkdir", path), name(path)});
  }
  void remove_directory(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (!disk_.names(find("rmdir", path)).empty()) fail("rmdir", path, ENOTEMPTY);
    record({Kind::kRemove, parent("rmdir", path), name(path)});
  }
  std::vector<std::string> list(const Path& directory) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [name, node] : disk_.names(find("readdir", directory))) out.push_back(name);
    return out;
  }
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    const std::lock_guard lock(mutex_);
    if (!locked_.insert(path).second) return nullptr;
    if (!disk_.find(inner(path))) {
      record({Kind::kCreate, parent("open", path), name(path), {}, disk_.next_node()});
    }
    return std::make_unique<Held>(*this, path);
  }
  void sync_directory(const Path& directory) override {
    const std::lock_guard lock(mutex_);
    record({Kind::kSyncDirectory, find("fsync", directory)});
  }
  void sync_parents(const Path& directory) override {
    const std::lock_guard lock(mutex_);
    (void)find("stat", directory);
    for (Path at = directory; inner(at) != "." && durable_.insert(at).second;) {
      at = at.parent_path();
      record({Kind::kSyncDirectory, find("fsync", at)});
    }
  }
  bool is_write_protected(const Path&) override { return false; }

 private:
  static constexpr std::size_t kLongestName = 255;

  static std::string name(const Path& path) { return path.filename().string(); }
  static Path inner(const Path& path) {
    if (name(path).size() > kLongestName) fail("stat", path, ENAMETOOLONG);
    const Path out = path.lexically_relative("d");
    if (out.empty() || *out.begin() == "..") {
      throw std::logic_error("beyond the directory 'd': '" + path.string() + "'");
    }
    return out;
  }

  [[noreturn]] static void fail(const char* call, const Path& path, int code) {
    const std::string message = std::string(call) + " failed for '" + path.string() + "'";
    if (code == ENOENT) throw FileNotFoundError(message, code);
    throw StorageError(message, code);
  }
  [[nodiscard]] std::size_t find(const char* call, const Path& path) const {
    const auto at = disk_.find(inner(path));
    if (!at) fail(call, path, ENOENT);
    return *at;
  }
  [[nodiscard]] std::size_t parent(const char* call, const Path& path) const {
    if (name(path).size() > kLongestName) fail(call, path, ENAMETOOLONG);
    return find(call, path.parent_path());
  }
  [[nodiscard]] std::size_t common_parent(const Path& from, const Path& to) const {
    if (name(to).size() > kLongestName) fail("rename", to, ENAMETOOLONG);
    if (from.parent_path() != to.parent_path()) {
      throw std::logic_error("from one directory to another: '" + to.string() + "'");
    }
    return parent("open", to);
  }
  void record(Operation op) {
    disk_.apply(op);
    log_.push_back(std::move(op));
  }

  class Readable final : public storage::ReadableFile {
   public:
    Readable(CrashStorage& owner, Path path, std::size_t file)
        : owner_(owner), number_(file), file_(std::move(path), owner.disk_.bytes(file)) {}
    const Path& path() const override { return file_.path(); }
    std::uint64_t size() const override { return file_.size(); }
    bool is_replaced() const override {
      const std::lock_guard lock(owner_.mutex_);
      return owner_.disk_.find(inner(path())) != number_;
    }
    void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
      file_.read_at(offset, out);
    }

   private:
    CrashStorage& owner_;
    std::size_t number_;
    storage::MemoryFile file_;
  };

  class Writable final : public storage::WritableFile {
   public:
    Writable(CrashStorage& owner, Path path, std::size_t file)
        : owner_(owner), path_(std::move(path)), file_(file) {}
    const Path& path() const override { return path_; }
    void resize(std::uint64_t size) override { record({Kind::kResize, 0, {}, {}, file_, size}); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      record({Kind::kWrite, 0, {}, {}, file_, offset, {bytes.begin(), bytes.end()}});
    }
    void sync() override { record({Kind::kSync, 0, {}, {}, file_}); }
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
      owner_.record({Kind::kRemove, owner_.parent("unlink", path_), name(path_)});
      owner_.locked_.erase(path_);
    }
    [[nodiscard]] bool exclusive() const override { return true; }

   private:
    CrashStorage& owner_;
    Path path_;
  };

  std::mutex mutex_;
  CrashDisk disk_;
  std::vector<Operation> log_;
  std::set<Path> locked_;
  std::set<Path> durable_;  // directories of which it is durable that they are there
};

}  // namespace lamina::testing
