#include "checkpoint/steps/step_names.h"

#include <fmt/format.h>

#include <charconv>

#include "checkpoint/commit/hidden_names.h"

namespace lamina::checkpoint {
namespace {

constexpr std::string_view kStep = "step_";

std::string_view word(Hidden kind) {
  switch (kind) {
    case Hidden::kMaking:
      return "making";
    case Hidden::kReplaced:
      return "replaced";
    case Hidden::kRemoved:
      return "removed";
  }
  return {};
}

}  // namespace

std::string step_name(std::int64_t step) {
  return fmt::format("{}{:08}", kStep, step);
}

std::optional<std::int64_t> parse_step(std::string_view name) {
  if (!name.starts_with(kStep)) return {};
  std::int64_t step = -1;
  const std::string_view digits = name.substr(kStep.size());
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (error != std::errc() || step < 0 || step_name(step) != name) return {};
  return step;
}

std::string hidden_step(std::int64_t step, const std::string& save, Hidden kind) {
  return fmt::format(".{}.{}.{}", step_name(step), save, word(kind));
}

std::optional<HiddenStep> parse_hidden_step(std::string_view name) {
  const std::size_t first = name.find('.', 1), last = name.rfind('.');
  if (!name.starts_with('.') || first == name.npos || first >= last) return {};
  const auto step = parse_step(name.substr(1, first - 1));
  if (!step || !is_save_name(name.substr(first + 1, last - first - 1))) return {};
  for (const Hidden kind : {Hidden::kMaking, Hidden::kReplaced, Hidden::kRemoved}) {
    if (name.substr(last + 1) == word(kind)) return HiddenStep{*step, kind};
  }
  return {};
}

}  // namespace lamina::checkpoint
