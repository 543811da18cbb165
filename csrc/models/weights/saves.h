#pragma once
#include <filesystem>
#include <string>

namespace lamina::models {

/// One key for each file of weights, however its path is written.
[[nodiscard]] std::string key_of_saves(const std::filesystem::path& file, bool sharded);
/// Returns when the saves in the background that have this key so far are over.
void wait_for_saves(const std::string& key);
/// Returns when all saves in the background are over, and have let go of the values that they held;
/// false at once where there is none.
bool wait_for_all_saves();

}  // namespace lamina::models
