#pragma once
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "tests/fakes/temporary_directory.h"

namespace lamina::testing {

/// Mounts a tmpfs of so many KiB, and with `more` of its options, for this process alone: for root,
/// or where a user may make a namespace. Empty, or why that cannot be. Meant for a child, as it
/// changes what the process sees.
inline std::string mount_small_disk(const std::filesystem::path& at, unsigned kibibytes,
                                    const std::string& more = "") {
  const auto failed = [](const char* call) {
    return std::string(call) + ": " + std::generic_category().message(errno);
  };
  if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return failed("unshare");
  }
  const std::string size = "size=" + std::to_string(kibibytes) + "k" + more;
  const bool mounted = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount("none", at.c_str(), "tmpfs", 0, size.c_str()) == 0;
  return mounted ? std::string() : failed("mount");
}

/// Empty where a child can mount one; else why not.
inline std::string why_no_small_disk() {
  const TemporaryDirectory directory;
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string reason = mount_small_disk(directory.path(), 64);
    const bool told = ::write(ends[1], reason.data(), reason.size()) >= 0;
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  std::string reason(256, '\0');
  const ssize_t n = ::read(ends[0], reason.data(), reason.size());
  ::close(ends[0]);
  int status = 0;
  const bool ended = child > 0 && ::waitpid(child, &status, 0) == child;
  if (n < 0 || !ended || status != 0) return "the child that was to try it failed";
  reason.resize(static_cast<std::size_t>(n));
  return reason;
}

}  // namespace lamina::testing
