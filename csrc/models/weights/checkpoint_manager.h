#pragma once
#include <lamina/checkpoint_manager.h>

#include "checkpoint/steps/step_directories.h"
#include "storage/storage.h"

namespace lamina {

struct CheckpointManager::Parts {
  CheckpointManagerOptions options;
  storage::Storage& storage;
  checkpoint::StepDirectories directories;
  checkpoint::KeepRule keep;
  std::string key;  // of the saves to the directory
};

/// A manager on a storage that a test has made.
class TestingCheckpointManager : public CheckpointManager {
 public:
  TestingCheckpointManager(CheckpointManagerOptions options, storage::Storage& storage)
      : CheckpointManager(std::move(options), storage) {}
};

}  // namespace lamina
