#pragma once
#include <unistd.h>

#include <cstdlib>

namespace lamina::testing {

/// The process has no more rights than anybody while this lives.
class Nobody {
 public:
  Nobody() : changed_(::geteuid() == 0 && ::seteuid(65534) == 0) {}
  ~Nobody() {
    if (changed_ && ::seteuid(0) != 0) std::abort();
  }
  Nobody(const Nobody&) = delete;
  Nobody& operator=(const Nobody&) = delete;

 private:
  bool changed_;
};

}  // namespace lamina::testing
