#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace lamina::bench {

/// Markdown of results ("device", "date", "inference", "copies", "saves", "stall"; what is not
/// there was not measured), each goal with whether it was met.
[[nodiscard]] std::string gpu_report(const nlohmann::json& results);

}  // namespace lamina::bench
