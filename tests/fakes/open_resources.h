#pragma once
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <ostream>
#include <thread>

namespace lamina::testing {

/// Descriptors and threads that the process has.
struct OpenResources {
  std::size_t descriptors = 0, threads = 0;

  bool operator==(const OpenResources&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const OpenResources& all) {
    return out << all.descriptors << " descriptors and " << all.threads << " threads";
  }

  static OpenResources now() {
    const auto entries = [](const char* directory) {
      const std::filesystem::directory_iterator all(directory);
      return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    };
    return {entries("/proc/self/fd"), entries("/proc/self/task")};
  }
  /// The same, after giving threads that have been joined the moment that they need to disappear.
  static OpenResources now_expecting(const OpenResources& expected) {
    OpenResources found = now();
    for (int i = 0; i < 200 && !(found == expected); ++i, found = now()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return found;
  }
};

}  // namespace lamina::testing
