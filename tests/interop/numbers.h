#pragma once
#include <lamina/training.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace lamina::interop {

/// Numbers that need not be finite: as text where they are not, "nan", "inf".
inline nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(std::to_string(value));
}
inline double number_of(const nlohmann::json& given) {
  return given.is_string() ? std::stod(given.get<std::string>()) : given.get<double>();
}

inline Logs logs_of(const nlohmann::json& given) {
  Logs logs;
  for (const auto& [name, value] : given.items()) logs[name] = number_of(value);
  return logs;
}

}  // namespace lamina::interop
