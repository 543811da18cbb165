#pragma once
#include <string>

// What losses and metrics have of Keras's in common.
namespace lamina::training {

inline constexpr double kEpsilon = 1e-7;  ///< keras.config.epsilon()

/// The name that was given, or the one that Keras gives.
[[nodiscard]] inline std::string named(const std::string& given, const char* keras) {
  return given.empty() ? keras : given;
}

}  // namespace lamina::training
