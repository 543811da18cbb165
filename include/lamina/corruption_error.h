#pragma once
#include <lamina/error.h>

namespace lamina {

/// A file whose bytes are not those that were saved, or that belongs to another save than the files
/// beside it: found by checksums and save ids (csrc/checkpoint/FORMAT.md), though it could be read.
class CorruptionError : public FormatError {
 public:
  using FormatError::FormatError;
};

}  // namespace lamina
