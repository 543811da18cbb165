#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lamina::checkpoint {

/// "step_00001200".
[[nodiscard]] std::string step_name(std::int64_t step);
/// Nothing for every name that `step_name` does not make.
[[nodiscard]] std::optional<std::int64_t> parse_step(std::string_view name);

/// Why a step's directory is hidden (see step_directories.cpp).
enum class Hidden { kMaking, kReplaced, kRemoved };

/// ".step_00001200.SAVE.making" and so on.
[[nodiscard]] std::string hidden_step(std::int64_t step, const std::string& save, Hidden kind);

struct HiddenStep {
  std::int64_t step;
  Hidden kind;
};

/// Nothing for every name that `hidden_step` does not make.
[[nodiscard]] std::optional<HiddenStep> parse_hidden_step(std::string_view name);

}  // namespace lamina::checkpoint
