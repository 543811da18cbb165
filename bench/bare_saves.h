#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <system_error>

#include "core/buffer.h"

namespace lamina::bench {

/// The least that a durable checkpoint at every step costs: the same number of bytes, always the
/// same ones, in one raw write past the page cache to a file in a directory of its own, which is
/// synced, renamed into its place and synced again; then the one before the last is hidden, and,
/// once that is synced, removed. One save at a time in the background.
class BareSaves {
 public:
  BareSaves(std::filesystem::path directory, std::uint64_t bytes)
      : directory_(std::move(directory)),
        size_((bytes + kPage - 1) / kPage * kPage),
        memory_(core::allocate_host(size_ + kPage)) {
    std::filesystem::create_directories(directory_);
    void* at = memory_.get();
    std::size_t room = size_ + kPage;
    bytes_ = std::align(kPage, size_, at, room);
    std::memset(bytes_, 1, size_);
  }

  void save_async() {
    wait();
    saving_ = std::async(std::launch::async, [this, number = number_++] { save(number); });
  }
  void wait() {
    if (saving_.valid()) saving_.get();
  }

 private:
  static constexpr std::size_t kPage = 4096;

  static int require(int result) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), "a bare save");
    return result;
  }
  static void sync(const std::filesystem::path& path) {
    const int fd = require(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    require(::fsync(fd));
    ::close(fd);
  }
  void save(int number) const {
    const auto hidden = directory_ / ".making", gone = directory_ / ".removed";
    std::filesystem::create_directory(hidden);
    const int fd = require(
        ::open((hidden / "weights").c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0666));
    require(::fallocate(fd, 0, 0, static_cast<off_t>(size_)));
    if (::write(fd, bytes_, size_) != static_cast<ssize_t>(size_)) require(-1);
    require(::fsync(fd));
    ::close(fd);
    sync(hidden);
    std::filesystem::rename(hidden, place(number));
    sync(directory_);
    if (number < 2) return;
    std::filesystem::rename(place(number - 2), gone);
    sync(directory_);
    std::filesystem::remove_all(gone);
  }
  [[nodiscard]] std::filesystem::path place(int number) const {
    return directory_ / std::to_string(number);
  }

  const std::filesystem::path directory_;
  const std::size_t size_;
  const std::shared_ptr<void> memory_;
  void* bytes_ = nullptr;
  int number_ = 0;
  std::future<void> saving_;
};

}  // namespace lamina::bench
