#include <lamina/log.h>

#include <cstdio>
#include <mutex>

#include "core/per_process.h"

namespace lamina {
namespace {

std::mutex& mutex() {
  return core::PerProcess<std::mutex>::get();
}

/// Never destroyed: saves in the background may warn until the very end of the process.
WarningHandler& handler() {
  static WarningHandler& instance = *new WarningHandler;
  return instance;
}

}  // namespace

WarningHandler set_warning_handler(WarningHandler replacement) {
  std::lock_guard lock(mutex());
  std::swap(handler(), replacement);
  return replacement;
}

void warn(std::string_view message) {
  std::lock_guard lock(mutex());
  if (handler()) {
    handler()(message);
  } else {
    std::fprintf(stderr, "lamina: warning: %.*s\n", static_cast<int>(message.size()),
                 message.data());
  }
}

}  // namespace lamina
