#include "training/callbacks/trim_log.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include "storage/posix_call.h"

namespace lamina::training {

std::uintmax_t trim_log(const std::filesystem::path& log, std::int64_t first,
                        std::uintmax_t begin) {
  std::ifstream in(log);
  if (!in) storage::raise_posix("open", log, errno);
  std::uintmax_t kept = 0, end = 0;
  std::int64_t before = -1;
  for (std::string line; std::getline(in, line) && !in.eof();) {
    const std::uintmax_t at = end;
    end += line.size() + 1;
    const std::int64_t number = std::atoll(line.c_str());
    if (at == 0 || at < begin || number < first) {
      kept = end;
    } else if (number <= before) {
      kept = at;  // a later run begins here: all lines of the earlier one stay
    }
    before = at == 0 ? -1 : number;
  }
  in.close();
  std::error_code error;
  std::filesystem::resize_file(log, kept, error);
  if (error) storage::raise_posix("truncate", log, error.value());
  return kept;
}

}  // namespace lamina::training
