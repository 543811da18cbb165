#pragma once
#include <fcntl.h>
#include <lamina/error.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace lamina::interop {

/// Has a file take what is written to standard error, for as long as this lives.
class CapturedStderr {
 public:
  explicit CapturedStderr(const std::string& path) : before_(::dup(STDERR_FILENO)) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (before_ < 0 || file < 0) throw ValueError(path + ": cannot be written");
    std::fflush(stderr);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
  ~CapturedStderr() {
    std::fflush(stderr);
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

 private:
  int before_;
};

}  // namespace lamina::interop
