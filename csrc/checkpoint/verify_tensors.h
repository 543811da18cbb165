#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/progress.h"
#include "checkpoint/sealed_file.h"

namespace lamina::checkpoint {

/// A file and what its seal says.
struct OpenedSeal {
  const h5::Reader* reader;
  const SealedFile* sealed;
};

/// Reads every tensor of the files, into no more than a few megabytes of memory. Returns a line for
/// each one that is not as it was saved, or cannot be read.
[[nodiscard]] std::vector<std::string> verify_tensors(const std::vector<OpenedSeal>& files,
                                                      Progress& progress);

}  // namespace lamina::checkpoint
