#include "cli/output_place.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "storage/posix_call.h"

namespace lamina::cli {

void require_place_for(const std::string& output) {
  std::error_code code;  // of a name that is none, of which the save says more
  if (std::filesystem::is_directory(output, code)) storage::raise_posix("open", output, EISDIR);
  const auto parent = std::filesystem::absolute(output).parent_path();
  storage::checked("access", parent, [&] { return ::access(parent.c_str(), W_OK); });
}

}  // namespace lamina::cli
