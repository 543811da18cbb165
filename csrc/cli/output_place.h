#pragma once
#include <string>

namespace lamina::cli {

/// That a file cannot be written is found out before what it is to hold is computed: throws
/// StorageError where `output` is a directory, or lies in none that may be written to.
void require_place_for(const std::string& output);

}  // namespace lamina::cli
