#include "floors.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "checkpoint/transfer/parallel.h"
#include "core/buffer.h"
#include "numbers.h"

namespace lamina::bench {
namespace {

using std::filesystem::path;
constexpr std::uint64_t kPart = std::uint64_t{16} << 20;
constexpr std::uint64_t kPage = 4096;

class File {
 public:
  File(const path& name, int flags) : fd_(::open(name.c_str(), flags | O_CLOEXEC, 0666)) {
    require(fd_ >= 0);
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return fd_; }

  static void require(bool good) {
    if (!good) throw std::system_error(errno, std::generic_category(), "a raw file operation");
  }

 private:
  int fd_;
};

struct Part {
  std::size_t file;
  std::uint64_t offset, size;
};

std::vector<Part> parts_of(const std::vector<std::uint64_t>& sizes) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    for (std::uint64_t at = 0; at < sizes[i]; at += kPart) {
      parts.push_back({i, at, std::min(kPart, sizes[i] - at)});
    }
  }
  return parts;
}

std::uint64_t whole_pages(std::uint64_t size) {
  return (size + kPage - 1) / kPage * kPage;
}

std::vector<std::unique_ptr<File>> open_all(const std::vector<path>& names, int flags) {
  std::vector<std::unique_ptr<File>> files;
  for (const path& name : names) files.push_back(std::make_unique<File>(name, flags));
  return files;
}

}  // namespace

WriteMemory::WriteMemory(std::vector<std::uint64_t> sizes) : sizes_(std::move(sizes)) {
  for (const std::uint64_t size : sizes_) {
    const std::uint64_t whole = whole_pages(size);
    memory_.push_back(core::allocate_host(whole));
    auto* words = static_cast<std::uint64_t*>(memory_.back().get());
    for (std::uint64_t i = 0; i < whole / sizeof *words; ++i) words[i] = i * 0x9e3779b97f4a7c15u;
  }
}

double WriteMemory::write(const path& directory) const {
  std::vector<path> names;
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    names.push_back(directory / ("floor" + std::to_string(i)));
  }
  const std::vector<Part> parts = parts_of(sizes_);
  const double time = seconds([&] {
    const auto files = open_all(names, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT);
    for (std::size_t i = 0; i < sizes_.size(); ++i) {
      const auto size = static_cast<off_t>(whole_pages(sizes_[i]));
      File::require(::fallocate(files[i]->get(), 0, 0, size) == 0);
    }
    checkpoint::parallel_for(parts.size(), checkpoint::write_threads(), [&](std::size_t i) {
      const auto& [file, offset, size] = parts[i];
      const std::uint64_t whole = whole_pages(size);
      const auto* from = static_cast<const std::byte*>(memory_[file].get()) + offset;
      File::require(::pwrite(files[file]->get(), from, whole, static_cast<off_t>(offset)) ==
                    static_cast<ssize_t>(whole));
    });
    for (const auto& file : files) File::require(::fsync(file->get()) == 0);
  });
  for (const path& name : names) std::filesystem::remove(name);
  return time;
}

ReadMemory::ReadMemory(std::vector<path> files) : files_(std::move(files)) {
  for (const path& file : files_) sizes_.push_back(std::filesystem::file_size(file));
}

double ReadMemory::read_fresh(bool direct) {
  release();
  return seconds([&] {
    allocate();
    read(direct);
  });
}

double ReadMemory::read_again(bool direct) {
  return seconds([&] { read(direct); });
}

void ReadMemory::allocate() {
  for (const std::uint64_t size : sizes_) memory_.push_back(core::allocate_host(whole_pages(size)));
}

void ReadMemory::read(bool direct) {
  const auto files = open_all(files_, O_RDONLY | (direct ? O_DIRECT : 0));
  const std::vector<Part> parts = parts_of(sizes_);
  checkpoint::parallel_for(parts.size(), checkpoint::io_threads(), [&](std::size_t i) {
    const auto& [file, offset, size] = parts[i];
    auto* at = static_cast<std::byte*>(memory_[file].get()) + offset;
    // The last part of a file ends before the last page does.
    File::require(::pread(files[file]->get(), at, whole_pages(size), static_cast<off_t>(offset)) ==
                  static_cast<ssize_t>(size));
  });
}

void warm(const std::vector<path>& files) {
  std::vector<char> buffer(kPart);
  for (const path& name : files) {
    const File file(name, O_RDONLY);
    while (::read(file.get(), buffer.data(), buffer.size()) > 0) {
    }
  }
}

void cool(const std::vector<path>& files) {
  for (const path& name : files) {
    const File file(name, O_RDONLY);
    File::require(::fsync(file.get()) == 0);
    File::require(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  }
}

}  // namespace lamina::bench
