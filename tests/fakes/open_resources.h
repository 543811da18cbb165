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

  /// A thread that has been joined is to be seen for a moment more: counts until it finds the same
  /// for a while.
  static OpenResources now() {
    OpenResources found = count();
    for (int same = 0; same < 4;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const OpenResources again = count();
      same = again == found ? same + 1 : 0;
      found = again;
    }
    return found;
  }
  /// As soon as there is what is expected, or at last what there is.
  static OpenResources now_expecting(const OpenResources& expected) {
    OpenResources found = count();
    for (int i = 0; i < 200 && !(found == expected); ++i, found = count()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return found;
  }

 private:
  static OpenResources count() {
    const auto entries = [](const char* directory) {
      const std::filesystem::directory_iterator all(directory);
      return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    };
    return {entries("/proc/self/fd"), entries("/proc/self/task")};
  }
};

}  // namespace lamina::testing
