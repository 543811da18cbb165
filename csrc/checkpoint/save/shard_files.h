#pragma once
#include <vector>

#include "checkpoint/commit/new_files.h"
#include "checkpoint/save/prepared_shard.h"

namespace lamina::checkpoint {

/// Whom the writing of files tells, and whom it asks.
struct Surroundings {
  ByteProgress& progress;
  storage::Storage& storage;
  SaveState& state;
};

/// Writes and syncs the shards' files. Values in host memory are written from where they are; those
/// of a device go through its ring, all of them by one transfer, so that one shard is still at the
/// disk while the next one is copied. Lifts the fence once no value is read any more.
void write_shards(const std::vector<PreparedShard>& shards, const SaveJob& job, NewFiles& new_files,
                  const Surroundings& surroundings);

}  // namespace lamina::checkpoint
