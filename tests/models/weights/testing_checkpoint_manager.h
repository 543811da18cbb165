#pragma once
#include <lamina/checkpoint_manager.h>

#include "models/weights/access.h"
#include "storage/storage.h"

namespace lamina {

/// A manager on a storage that a test has made.
class TestingCheckpointManager : public CheckpointManager {
 public:
  TestingCheckpointManager(CheckpointManagerOptions options, storage::Storage& storage)
      : CheckpointManager(models::Access::checkpoint_manager(std::move(options), storage)) {}
};

}  // namespace lamina
