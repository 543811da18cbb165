#pragma once
#include <filesystem>
#include <iosfwd>

namespace lamina::checkpoint {

/// Where questions are asked. A stream that no person reads is not interactive.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  bool interactive;
};

/// Standard input and output.
[[nodiscard]] Terminal terminal();

/// Keras's question before a file is replaced. True: go on. Throws ValueError when nobody can
/// answer.
[[nodiscard]] bool may_overwrite(const std::filesystem::path& path, const Terminal& terminal);

}  // namespace lamina::checkpoint
