#pragma once
#include <cstdint>
#include <filesystem>

namespace lamina::training {

/// Makes a log, of a line of names and then lines that begin with a number, fit for a run that
/// begins `first` once more: cuts off the lines at the end that this run, whose lines begin at the
/// byte `begin`, has written with `first` or a greater number, and one without an end. The file
/// loses nothing else, whenever the process is killed. Returns how many bytes are left: 0 where not
/// even the names are. Throws StorageError.
[[nodiscard]] std::uintmax_t trim_log(const std::filesystem::path& log, std::int64_t first,
                                      std::uintmax_t begin);

}  // namespace lamina::training
