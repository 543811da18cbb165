#pragma once
#include <sys/types.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace lamina::bench {

/// Another program that saves and loads the same weights: peers.py, which answers each command by a
/// line of JSON. It waits in between, so that all take turns.
class Peer {
 public:
  /// `kind`: "keras", "safetensors" or "torch". `shapes`: a JSON file of the variables' shapes.
  Peer(const std::string& python, const std::string& kind, const std::string& model,
       const std::filesystem::path& directory, const std::filesystem::path& shapes);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  /// Seconds of "save" (with fsync) or "load" (from the page cache). Throws when the peer died.
  double time(const std::string& command);

 private:
  nlohmann::json answer();

  std::string kind_, version_;
  pid_t process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace lamina::bench
