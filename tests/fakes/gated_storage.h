#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "tests/fakes/passing_storage.h"

namespace lamina::testing {

/// Passes every call on to the process's file system; each write waits at a gate while it is
/// closed, and is counted.
class GatedStorage final : public PassingStorage {
 public:
  void close_gate() { set_gate(true); }
  void open_gate() { set_gate(false); }
  /// Returns when a write stands at the gate.
  void wait_for_writer() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }
  [[nodiscard]] std::size_t writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
  }

  std::unique_ptr<storage::WritableFile> create(const Path& p) override {
    return std::make_unique<File>(*this, inner().create(p));
  }

 private:
  struct File final : storage::WritableFile {
    File(GatedStorage& owner, std::unique_ptr<storage::WritableFile> file)
        : owner(owner), inner(std::move(file)) {}
    const Path& path() const override { return inner->path(); }
    void resize(std::uint64_t size) override { inner->resize(size); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      owner.pass();
      inner->write_at(offset, bytes);
    }
    void sync() override { inner->sync(); }
    void close() override { inner->close(); }
    GatedStorage& owner;
    std::unique_ptr<storage::WritableFile> inner;
  };

  void set_gate(bool closed) {
    const std::lock_guard lock(mutex_);
    closed_ = closed;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !closed_; });
    --waiting_;
    ++writes_;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  std::size_t waiting_ = 0, writes_ = 0;
};

}  // namespace lamina::testing
