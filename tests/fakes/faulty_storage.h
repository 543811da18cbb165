#pragma once
#include <lamina/error.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <memory>
#include <system_error>

#include "storage/storage.h"

namespace lamina::testing {

/// Passes every call on to another storage, but for those chosen to fail. A failing write first
/// writes half of its bytes, as a full disk does. Counts from 0; safe to use from several threads.
class FaultyStorage final : public storage::Storage {
 public:
  using Path = storage::Path;

  explicit FaultyStorage(storage::Storage& inner = storage::posix()) : inner_(inner) {}

  /// Call `n` fails from now on with the error `code`, and with `all_later` all after it.
  void fail_at(std::size_t n, bool all_later = false, int code = EIO) {
    calls_ = 0;
    code_ = code;
    first_ = n;
    last_ = all_later ? std::numeric_limits<std::size_t>::max() : n;
  }
  void fail_never() { fail_at(std::numeric_limits<std::size_t>::max()); }
  [[nodiscard]] std::size_t calls() const { return calls_; }
  [[nodiscard]] std::size_t faults() const { return faults_; }

  std::unique_ptr<storage::ReadableFile> open(const Path& path) override {
    step("open", path);
    return std::make_unique<Readable>(*this, inner_.open(path));
  }
  std::unique_ptr<storage::WritableFile> create(const Path& path) override {
    step("open", path);
    return std::make_unique<Writable>(*this, inner_.create(path));
  }
  void create_like(const Path& like, const Path& path) override {
    step("open", path);
    inner_.create_like(like, path);
  }
  bool exists(const Path& path) override {
    step("stat", path);
    return inner_.exists(path);
  }
  bool link(const Path& from, const Path& to) override {
    step("link", to);
    return links_ && inner_.link(from, to);
  }
  void rename(const Path& from, const Path& to) override {
    step("rename", to);
    inner_.rename(from, to);
  }
  bool exchange(const Path& a, const Path& b) override {
    step("renameat2", b);
    return exchanges_ && inner_.exchange(a, b);
  }
  void remove(const Path& path) override {
    step("unlink", path);
    inner_.remove(path);
  }
  void create_directory(const Path& path) override {
    step("mkdir", path);
    inner_.create_directory(path);
  }
  void remove_directory(const Path& path) override {
    step("rmdir", path);
    inner_.remove_directory(path);
  }
  std::vector<std::string> list(const Path& directory) override {
    step("readdir", directory);
    return inner_.list(directory);
  }
  std::unique_ptr<storage::Lock> try_lock(const Path& path) override {
    step("flock", path);
    return inner_.try_lock(path);
  }
  void sync_directory(const Path& directory) override {
    step("fsync", directory);
    inner_.sync_directory(directory);
  }
  void sync_parents(const Path& directory) override {
    step("fsync", directory);
    inner_.sync_parents(directory);
  }
  bool is_write_protected(const Path& path) override { return inner_.is_write_protected(path); }

  /// A file system without second names, such as FAT.
  void forbid_links() { links_ = false; }
  /// One where names cannot change places, such as NFS.
  void forbid_exchanges() { exchanges_ = false; }

 private:
  [[nodiscard]] bool due() {
    const std::size_t n = calls_++;
    if (n < first_ || n > last_) return false;
    ++faults_;
    return true;
  }
  [[noreturn]] void fail(const char* call, const Path& path) const {
    throw StorageError(std::string(call) + " failed for '" + path.string() + "': injected fault, " +
                           std::generic_category().message(code_),
                       code_);
  }
  void step(const char* call, const Path& path) {
    if (due()) fail(call, path);
  }

  class Readable final : public storage::ReadableFile {
   public:
    Readable(FaultyStorage& owner, std::unique_ptr<storage::ReadableFile> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    const Path& path() const override { return inner_->path(); }
    std::uint64_t size() const override { return inner_->size(); }
    bool is_replaced() const override {
      owner_.step("open", path());
      return inner_->is_replaced();
    }
    void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
      owner_.step("pread", path());
      inner_->read_at(offset, out);
    }

   private:
    FaultyStorage& owner_;
    std::unique_ptr<storage::ReadableFile> inner_;
  };

  class Writable final : public storage::WritableFile {
   public:
    Writable(FaultyStorage& owner, std::unique_ptr<storage::WritableFile> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    const Path& path() const override { return inner_->path(); }
    void resize(std::uint64_t size) override {
      owner_.step("fallocate", path());
      inner_->resize(size);
    }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      if (owner_.due()) {
        inner_->write_at(offset, bytes.first(bytes.size() / 2));
        owner_.fail("pwrite", path());
      }
      inner_->write_at(offset, bytes);
    }
    void sync() override {
      owner_.step("fsync", path());
      inner_->sync();
    }
    void close() override {
      owner_.step("close", path());
      inner_->close();
    }

   private:
    FaultyStorage& owner_;
    std::unique_ptr<storage::WritableFile> inner_;
  };

  storage::Storage& inner_;
  std::atomic<std::size_t> calls_ = 0;
  std::atomic<std::size_t> faults_ = 0;
  std::size_t first_ = std::numeric_limits<std::size_t>::max();
  std::size_t last_ = std::numeric_limits<std::size_t>::max();
  int code_ = EIO;
  bool links_ = true, exchanges_ = true;
};

}  // namespace lamina::testing
