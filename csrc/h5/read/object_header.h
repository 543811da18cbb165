#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "h5/format.h"
#include "h5/read/metadata.h"

namespace lamina::h5 {

struct Message {
  MessageType type;  ///< may be one that the enum does not name
  bool shared;       ///< the body says where the message is
  std::span<const std::byte> body;
};

/// The messages of one object: what it is and where its parts are.
class ObjectHeader {
 public:
  ObjectHeader() = default;
  ObjectHeader(ObjectHeader&&) = default;
  ObjectHeader& operator=(ObjectHeader&&) = default;

  [[nodiscard]] const std::vector<Message>& messages() const { return messages_; }
  /// The first message of a type, or nothing.
  [[nodiscard]] const Message* find(MessageType type) const;
  /// The same, as its body; throws Malformed when there is none or it is shared.
  [[nodiscard]] std::span<const std::byte> body(MessageType type, const char* what) const;

  [[nodiscard]] bool is_group() const;
  [[nodiscard]] bool is_dataset() const;

 private:
  friend class ObjectHeaderParser;
  Block first_;  ///< what the messages' bodies point into
  std::vector<Block> continuations_;
  std::vector<Message> messages_;
};

/// Reads an object header (version 1, or 2 with its checksums) with all of its continuations.
[[nodiscard]] ObjectHeader read_object_header(Metadata& metadata, std::uint64_t address);

}  // namespace lamina::h5
