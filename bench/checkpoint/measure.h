#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cases.h"

namespace lamina::bench {

struct Settings {
  std::filesystem::path directory = ".";
  std::string python = "python3";
  std::string peers_python;  ///< has safetensors and torch; empty: without them
  bool with_keras = true;
  int rounds = 5;
};

/// Saves and loads a case in rounds, in which Lamina, the raw calls and the other libraries take
/// turns. Returns its name, its size, the peers' versions, and the seconds of each round by
/// measurement: "save", "save_first", "raw_write", "keras_load", ...
[[nodiscard]] nlohmann::json measure(const Case& which, const Settings& settings);

}  // namespace lamina::bench
