#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>

namespace lamina::testing {

/// Ends a child of a death test. It held where there is no failure to tell of.
[[noreturn]] inline void quit(const std::string& failure) {
  std::fprintf(stderr, "%s", failure.empty() ? "held" : failure.c_str());
  std::_Exit(failure.empty() ? 0 : 1);
}

/// Ends a child in which this does not hold.
inline void require(bool truth, const std::string& what) {
  if (!truth) quit(what);
}

}  // namespace lamina::testing
