#pragma once
#include <lamina/error.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "storage/storage.h"

namespace lamina::testing {

/// Calls to files, counted, of which one is to fail.
struct FileFaults {
  std::atomic<std::size_t> calls = 0;
  std::size_t due = std::numeric_limits<std::size_t>::max();

  void step(const char* call, const storage::Path& path) {
    if (calls++ == due)
      throw StorageError(std::string(call) + " failed for '" + path.string() + "': injected fault",
                         EIO);
  }
};

/// A file in memory, for writing and reading. Bytes never written stay poisoned, and a byte that is
/// written twice is a mistake of whoever writes.
class MemoryImage final : public storage::WritableFile, public storage::ReadableFile {
 public:
  static constexpr std::byte kUnwritten{0xee};

  explicit MemoryImage(storage::Path path, std::size_t size, FileFaults* faults = nullptr)
      : path_(std::move(path)), bytes(size, kUnwritten), written_(size), faults_(faults) {}

  const storage::Path& path() const override { return path_; }
  std::uint64_t size() const override { return bytes.size(); }
  bool is_replaced() const override { return false; }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (faults_ != nullptr) faults_->step("pread", path_);
    ++calls;
    std::copy_n(bytes.begin() + check(offset, out.size()), out.size(), out.begin());
  }
  void resize(std::uint64_t) override {}
  void write_at(std::uint64_t offset, std::span<const std::byte> in) override {
    if (faults_ != nullptr) faults_->step("pwrite", path_);
    ++calls;
    const std::lock_guard lock(mutex_);
    const std::ptrdiff_t at = check(offset, in.size());
    const auto marks = written_.begin() + at;
    if (std::find(marks, marks + static_cast<std::ptrdiff_t>(in.size()), true) !=
        marks + static_cast<std::ptrdiff_t>(in.size()))
      throw std::logic_error("a byte was written twice");
    std::fill_n(marks, in.size(), true);
    std::copy(in.begin(), in.end(), bytes.begin() + at);
  }
  void sync() override {}
  void close() override {}

 private:
  std::ptrdiff_t check(std::uint64_t offset, std::size_t size) const {
    if (offset > bytes.size() || size > bytes.size() - offset)
      throw std::logic_error("beyond the end of the file");
    return static_cast<std::ptrdiff_t>(offset);
  }
  storage::Path path_;

 public:
  std::vector<std::byte> bytes;
  mutable std::atomic<std::size_t> calls = 0;

 private:
  std::mutex mutex_;
  std::vector<bool> written_;
  FileFaults* faults_;
};

}  // namespace lamina::testing
