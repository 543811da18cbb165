#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/passing_storage.h"
#include "tests/fakes/virtual_clock.h"

namespace lamina::testing {

/// A disk of so many bytes a second, in virtual time; it does one thing at a time.
class ThrottledDisk {
 public:
  ThrottledDisk(VirtualClock& clock, double bytes_per_second)
      : clock_(clock), bytes_per_second_(bytes_per_second) {}

  void charge(std::size_t bytes) {
    clock_.advance_to(lane_.take(clock_.now(), static_cast<double>(bytes) / bytes_per_second_));
  }

 private:
  VirtualClock& clock_;
  double bytes_per_second_;
  Lane lane_;
};

/// Passes on to another file what the disk has taken its time for.
class ThrottledWritableFile : public storage::WritableFile {
 public:
  ThrottledWritableFile(storage::WritableFile& inner, ThrottledDisk& disk)
      : inner_(inner), disk_(disk) {}
  const storage::Path& path() const override { return inner_.path(); }
  void resize(std::uint64_t size) override { inner_.resize(size); }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    inner_.write_at(offset, bytes);
    disk_.charge(bytes.size());
  }
  void sync() override { inner_.sync(); }
  void close() override { inner_.close(); }

 private:
  storage::WritableFile& inner_;
  ThrottledDisk& disk_;
};

class ThrottledReadableFile : public storage::ReadableFile {
 public:
  ThrottledReadableFile(const storage::ReadableFile& inner, ThrottledDisk& disk)
      : inner_(inner), disk_(disk) {}
  const storage::Path& path() const override { return inner_.path(); }
  std::uint64_t size() const override { return inner_.size(); }
  bool is_replaced() const override { return inner_.is_replaced(); }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    inner_.read_at(offset, out);
    disk_.charge(out.size());
  }

 private:
  const storage::ReadableFile& inner_;
  ThrottledDisk& disk_;
};

/// The process's file system, whose bytes pass through the disk.
class ThrottledStorage final : public PassingStorage {
 public:
  explicit ThrottledStorage(ThrottledDisk& disk) : disk_(disk) {}

  std::unique_ptr<storage::ReadableFile> open(const Path& p) override {
    return std::make_unique<Owner<ThrottledReadableFile, storage::ReadableFile>>(inner().open(p),
                                                                                 disk_);
  }
  std::unique_ptr<storage::WritableFile> create(const Path& p) override {
    return std::make_unique<Owner<ThrottledWritableFile, storage::WritableFile>>(inner().create(p),
                                                                                 disk_);
  }

 private:
  template <class File>
  struct Kept {
    std::unique_ptr<File> kept;
  };
  template <class Throttled, class File>
  struct Owner final : Kept<File>, Throttled {
    Owner(std::unique_ptr<File> file, ThrottledDisk& disk)
        : Kept<File>{std::move(file)}, Throttled(*this->kept, disk) {}
  };

  ThrottledDisk& disk_;
};

}  // namespace lamina::testing
