#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/program.h"

namespace lamina::testing {

/// Starts the built `lamina` with these arguments in `directory`.
inline pid_t start_lamina(const std::filesystem::path& directory,
                          std::vector<std::string> arguments) {
  return start_program(LAMINA_BINARY, directory, std::move(arguments));
}

inline Outcome run_lamina(const std::filesystem::path& directory,
                          std::vector<std::string> arguments) {
  return finish_program(directory, start_lamina(directory, std::move(arguments)));
}

}  // namespace lamina::testing
