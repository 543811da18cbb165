#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/commit/hidden_names.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// What remains to be done so that a directory holds one whole checkpoint: every `replace` takes
/// the place of its file from its hidden copy, then every `remove` goes. Doing it twice is doing it
/// once.
struct RecoveryRecord {
  std::string save;  ///< whose hidden copies
  HiddenCopy copy = HiddenCopy::kNew;
  std::vector<std::string> replace;  ///< shards first, the index last
  std::vector<std::string> remove;
  std::string name = {};  ///< of the checkpoint, as it was read: see `parse_record`
};

/// The text of a record beside the checkpoint `name`: JSON on one line, its checksum on a second.
/// Files are told by their shard's digits, and "index": nothing else can be meant. One whose own
/// file is called by the checkpoint's stand-in says the name.
[[nodiscard]] std::string record_text(const RecoveryRecord& record, const std::string& name);

/// Reads a record that nobody vouches for, found beside the checkpoint `name`, or beside the one
/// for which that is the stand-in. Nothing when it is torn: its checksum fails, so it never was in
/// force. Throws FormatError, naming `source`, for one of another version or another checkpoint, or
/// with words of its own.
[[nodiscard]] std::optional<RecoveryRecord> parse_record(std::string_view text,
                                                         const std::string& name,
                                                         const std::string& source);

/// The record in force beside a checkpoint; nothing where there is none, or a torn one. Throws what
/// `parse_record` throws, and FormatError for more text than any record has.
[[nodiscard]] std::optional<RecoveryRecord> read_record(const CheckpointPlace& place,
                                                        storage::Storage& storage);

}  // namespace lamina::checkpoint
