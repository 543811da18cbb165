#include "training/optimizers/patterns.h"

#include <fmt/format.h>
#include <lamina/error.h>

namespace lamina::training {

std::regex pattern_of(std::string_view what, const std::string& text) {
  try {
    return std::regex(text);
  } catch (const std::regex_error& error) {
    throw ValueError(fmt::format("{} are regular expressions. Received: '{}', which is none ({})",
                                 what, text, error.what()));
  }
}

}  // namespace lamina::training
