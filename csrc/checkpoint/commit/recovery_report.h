#pragma once
#include <string>
#include <vector>

namespace lamina::checkpoint {

/// What a recovery did.
struct Recovery {
  std::vector<std::string> finished;  ///< checkpoints whose save was finished or undone, and steps
  std::vector<std::string> removed;   ///< hidden files and directories that dead saves had left
  std::vector<std::string> in_use;    ///< checkpoints that a save is working on
  std::vector<std::string> problems;  ///< what could not be recovered, in words
};

}  // namespace lamina::checkpoint
