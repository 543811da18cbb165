#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace lamina::bench {

/// The machine, without its name: processor, cores, memory, kernel, and the directory's file
/// system.
[[nodiscard]] nlohmann::json describe_machine(const std::string& directory);

/// Prints a case as `measure` returns it: each measurement, then each goal, met or not. Adds the
/// goals as "goals" to the case.
void report(const std::string& name, nlohmann::json& result);

}  // namespace lamina::bench
