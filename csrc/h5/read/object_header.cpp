#include "h5/read/object_header.h"

#include <algorithm>
#include <set>

#include "h5/read/checksum.h"

namespace lamina::h5 {
namespace {

constexpr std::size_t kMostMessages = 1 << 16;
constexpr std::size_t kUsualMessages = 16;
constexpr unsigned kLastKnownType = 0x18;
constexpr unsigned kSharedFlag = 0x02, kMustUnderstandFlag = 0x80;

}  // namespace

const Message* ObjectHeader::find(MessageType type) const {
  const auto it = std::find_if(messages_.begin(), messages_.end(),
                               [&](const Message& message) { return message.type == type; });
  return it == messages_.end() ? nullptr : &*it;
}

std::span<const std::byte> ObjectHeader::body(MessageType type, const char* what) const {
  const Message* message = find(type);
  if (message == nullptr) malformed("an object without {}", what);
  if (message->shared) malformed("a shared {}, which is not read", what);
  return message->body;
}

bool ObjectHeader::is_group() const {
  return find(MessageType::kSymbolTable) != nullptr || find(MessageType::kLinkInfo) != nullptr;
}

bool ObjectHeader::is_dataset() const {
  return find(MessageType::kDatatype) != nullptr && find(MessageType::kDataspace) != nullptr;
}

class ObjectHeaderParser {
 public:
  explicit ObjectHeaderParser(Metadata& metadata) : metadata_(metadata) {}

  ObjectHeader parse(std::uint64_t address) {
    header_.messages_.reserve(kUsualMessages);
    const Block first = metadata_.read(address, 4);
    if (std::memcmp(first.data(), "OHDR", 4) == 0) {
      parse_version_2(address);
    } else {
      parse_version_1(address);
    }
    return std::move(header_);
  }

 private:
  struct Place {
    std::uint64_t address, size;
  };

  void parse_version_1(std::uint64_t address) {
    const auto prefix = metadata_.read(address, 16);
    Cursor cursor(prefix);
    cursor.expect_version(1, "an object header");
    cursor.skip(1);
    messages_left_ = cursor.u16();
    cursor.skip(4);
    const std::uint64_t size = cursor.u32();
    add_messages_1(block({address + 16, size}));
    while (!continuations_.empty()) add_messages_1(block(next_continuation()));
  }

  void add_messages_1(Cursor cursor) {
    while (cursor.remaining() >= 8 && messages_left_ != 0) {
      --messages_left_;
      const unsigned type = cursor.u16();
      const std::size_t size = cursor.u16();
      const unsigned flags = cursor.u8();
      cursor.skip(3);
      add(type, flags, cursor.take(size));
    }
  }

  void parse_version_2(std::uint64_t address) {
    const auto prefix =
        metadata_.read(address, std::min<std::uint64_t>(34, metadata_.size() - address));
    Cursor cursor(prefix);
    cursor.skip(4);
    cursor.expect_version(2, "an object header");
    const unsigned flags = cursor.u8();
    if (flags & 0x20) cursor.skip(16);
    if (flags & 0x10) cursor.skip(4);
    has_order_ = flags & 0x04;
    const std::uint64_t size = cursor.uint(std::size_t{1} << (flags & 3));
    if (size > metadata_.size()) malformed("an object header of {} bytes", size);
    const std::size_t begin = prefix.size() - cursor.remaining();
    Cursor body = block({address, begin + size + 4}, true);
    body.skip(begin);
    add_messages_2(body);
    while (!continuations_.empty()) {
      Cursor more = block(next_continuation(), true);
      more.expect("OCHK");
      add_messages_2(more);
    }
  }

  void add_messages_2(Cursor cursor) {
    const std::size_t prefix = has_order_ ? 6 : 4;
    while (cursor.remaining() >= prefix) {
      const unsigned type = cursor.u8();
      const std::size_t size = cursor.u16();
      const unsigned flags = cursor.u8();
      if (has_order_) cursor.skip(2);
      add(type, flags, cursor.take(size));
    }
  }

  Cursor block(Place where, bool checked = false) {
    const bool is_first = header_.first_.size() == 0;
    Block& kept = is_first ? header_.first_ : header_.continuations_.emplace_back();
    kept = metadata_.read(where.address, where.size);
    const std::span<const std::byte> bytes = kept;
    return Cursor(checked ? verified(bytes, "an object header") : bytes);
  }

  Place next_continuation() {
    const Place next = continuations_.back();
    continuations_.pop_back();
    if (!seen_.insert(next.address).second)
      malformed("an object header that continues in a circle");
    return next;
  }

  void add(unsigned type, unsigned flags, std::span<const std::byte> body) {
    if (type > kLastKnownType && (flags & kMustUnderstandFlag)) {
      malformed("a message of type {} that must be understood and is not", type);
    }
    if (header_.messages_.size() == kMostMessages) malformed("too many messages");
    const auto known = static_cast<MessageType>(type);
    header_.messages_.push_back({known, (flags & kSharedFlag) != 0, body});
    if (known != MessageType::kContinuation) return;
    Cursor cursor(body);
    const std::uint64_t address = cursor.address(metadata_.widths);
    continuations_.push_back({address, cursor.length(metadata_.widths)});
  }

  Metadata& metadata_;
  ObjectHeader header_;
  std::vector<Place> continuations_;
  std::set<std::uint64_t> seen_;
  std::size_t messages_left_ = 0;
  bool has_order_ = false;
};

ObjectHeader read_object_header(Metadata& metadata, std::uint64_t address) {
  return ObjectHeaderParser(metadata).parse(address);
}

}  // namespace lamina::h5
