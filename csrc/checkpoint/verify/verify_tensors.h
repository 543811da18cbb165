#pragma once
#include <vector>

#include "checkpoint/seal/sealed_file.h"
#include "checkpoint/transfer/byte_progress.h"
#include "checkpoint/verify/verify.h"

namespace lamina::checkpoint {

/// A file and what its seal says.
struct OpenedSeal {
  const h5::Reader* reader;
  const SealedFile* sealed;
};

/// Reads every tensor of the files, into no more than a few megabytes of memory. Notes a problem
/// for each one that is not as it was saved, or cannot be read.
void verify_tensors(const std::vector<OpenedSeal>& files, ByteProgress& progress,
                    VerifyReport& report);

}  // namespace lamina::checkpoint
