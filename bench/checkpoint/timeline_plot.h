#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/transfer/timeline.h"

namespace lamina::bench {

/// Moves 1 GiB from the host runtime's device memory through a ring of two slots of 64 MiB into
/// four files, and returns what happened when.
[[nodiscard]] std::vector<checkpoint::TimelineSpan> record_timeline(
    const std::filesystem::path& directory);

/// A drawing of it: a copy lane and a storage lane for each slot, a colour for each file.
[[nodiscard]] std::string plot_svg(const std::vector<checkpoint::TimelineSpan>& spans);

}  // namespace lamina::bench
