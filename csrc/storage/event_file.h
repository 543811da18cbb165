#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "storage/posix_call.h"

namespace lamina::storage {

// TensorBoard's files of events. A file is records, one after the other, as TFRecord frames them,
// all numbers little-endian:
//
//   uint64  bytes of the record
//   uint32  masked CRC-32C of the eight bytes before
//   bytes   the record: a protobuf message tensorflow.Event
//   uint32  masked CRC-32C of the record
//
// The first is Event{wall_time, file_version: "brain.Event:2", source_metadata}; the others are
// Event{wall_time, step, summary} with one value, as TensorFlow 2 and thus Keras write it:
// tensor{dtype: DT_FLOAT, tensor_shape{}, tensor_content} with metadata{plugin_data{"scalars"}}.
// The messages: tensorboard/compat/proto/{event,summary,tensor}.proto.

/// A checksum as a record holds it: of bytes that hold checksums themselves.
[[nodiscard]] constexpr std::uint32_t masked_crc(std::uint32_t crc) noexcept {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

/// A record with its frame.
[[nodiscard]] std::string event_record(std::string_view event);
/// The message of a number; `wall_time` in seconds since 1970.
[[nodiscard]] std::string scalar_event(std::string_view tag, double value, std::int64_t step,
                                       double wall_time);

/// A file of events of its own. What is added is there when the call returns, for whoever reads the
/// file, whatever becomes of the process. Not synchronised.
class EventFile {
 public:
  /// Makes the directory if need be, and in it a file with a name that none has, by TensorFlow's
  /// pattern: events.out.tfevents.<seconds>.<host>.<process>.<number>.v2. Throws StorageError.
  explicit EventFile(const Path& directory);

  [[nodiscard]] const Path& path() const noexcept { return path_; }
  /// One number of one step. Throws StorageError.
  void add_scalar(std::string_view tag, double value, std::int64_t step);

 private:
  void write(std::string_view record);

  Path path_;
  Descriptor file_;
};

}  // namespace lamina::storage
