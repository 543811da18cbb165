#pragma once
#include <lamina/log.h>

#include <string>
#include <vector>

namespace lamina::testing {

/// Takes the warnings of its lifetime away from standard error.
class CapturedWarnings {
 public:
  CapturedWarnings()
      : previous_(set_warning_handler([this](std::string_view text) { all.emplace_back(text); })) {}
  ~CapturedWarnings() { set_warning_handler(previous_); }
  CapturedWarnings(const CapturedWarnings&) = delete;
  CapturedWarnings& operator=(const CapturedWarnings&) = delete;

  std::vector<std::string> all;

 private:
  WarningHandler previous_;
};

}  // namespace lamina::testing
