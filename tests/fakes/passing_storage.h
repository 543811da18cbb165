#pragma once
#include "storage/storage.h"

namespace lamina::testing {

/// Passes every call on to another storage; what a test wants otherwise, it overrides.
class PassingStorage : public storage::Storage {
 public:
  using Path = storage::Path;

  explicit PassingStorage(storage::Storage& inner = storage::posix()) : inner_(inner) {}

  std::unique_ptr<storage::ReadableFile> open(const Path& p) override { return inner_.open(p); }
  std::unique_ptr<storage::WritableFile> create(const Path& p) override { return inner_.create(p); }
  void create_like(const Path& a, const Path& b) override { inner_.create_like(a, b); }
  bool exists(const Path& p) override { return inner_.exists(p); }
  bool link(const Path& a, const Path& b) override { return inner_.link(a, b); }
  void rename(const Path& a, const Path& b) override { inner_.rename(a, b); }
  bool exchange(const Path& a, const Path& b) override { return inner_.exchange(a, b); }
  void remove(const Path& p) override { inner_.remove(p); }
  void create_directory(const Path& p) override { inner_.create_directory(p); }
  void remove_directory(const Path& p) override { inner_.remove_directory(p); }
  std::vector<std::string> list(const Path& p) override { return inner_.list(p); }
  std::unique_ptr<storage::Lock> try_lock(const Path& p) override { return inner_.try_lock(p); }
  void sync_directory(const Path& p) override { inner_.sync_directory(p); }
  void sync_parents(const Path& p) override { inner_.sync_parents(p); }
  bool is_write_protected(const Path& p) override { return inner_.is_write_protected(p); }

 protected:
  [[nodiscard]] storage::Storage& inner() const { return inner_; }

 private:
  storage::Storage& inner_;
};

}  // namespace lamina::testing
