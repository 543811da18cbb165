#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "checkpoint/load/match.h"
#include "checkpoint/load/read_values.h"
#include "checkpoint/load/seals.h"
#include "checkpoint/transfer/device_transfer.h"

namespace lamina::checkpoint {

struct ReadRequest {
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
  DeviceTravel travel = {};
};

/// Reads what becomes of the variables: the datasets' elements, cast to the variables' dtypes, with
/// the checksums that the seals tell. No variable changes. `path` is what is loaded. Throws
/// FormatError for a file that is cut short, before anything is read; CorruptionError;
/// StorageError; DeviceError.
[[nodiscard]] ReadValues read_assignments(const std::vector<Assignment>& assignments,
                                          const Seals& seals, const std::filesystem::path& path,
                                          const ReadRequest& request);

}  // namespace lamina::checkpoint
