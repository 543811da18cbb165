#include "h5/read/attribute.h"

#include <span>

#include "h5/read/btree2.h"
#include "h5/read/checksum.h"
#include "h5/read/dataspace.h"
#include "h5/read/datatype.h"
#include "h5/read/fractal_heap.h"
#include "h5/read/global_heap.h"

namespace lamina::h5 {
namespace {

constexpr unsigned kSharedParts = 0x03;

struct Attribute {
  std::string name;
  bool shared = false;  ///< its type or shape lies elsewhere
  std::span<const std::byte> type, space, data;
};

Attribute read_attribute(std::span<const std::byte> message) {
  Cursor cursor(message);
  const unsigned version = cursor.u8();
  if (version < 1 || version > 3) malformed("version {} of an attribute is not known", version);
  const unsigned flags = cursor.u8();
  const std::size_t name = cursor.u16(), type = cursor.u16(), space = cursor.u16();
  if (version == 3) cursor.skip(1);
  const auto padded = [&](std::size_t size) { return version == 1 ? (size + 7) / 8 * 8 : size; };
  Attribute result;
  result.shared = version != 1 && (flags & kSharedParts) != 0;
  result.name = cursor.text(padded(name));
  result.type = cursor.take(padded(type));
  result.space = cursor.take(padded(space));
  result.data = cursor.take(cursor.remaining());
  return result;
}

/// The next text of an attribute's data.
std::string next_text(Metadata& metadata, const ParsedDatatype& type, Cursor& data) {
  if (type.is_string) return data.text(type.type.size);
  const std::uint32_t length = data.u32();
  const std::uint64_t collection = data.address(metadata.widths);
  const std::uint32_t index = data.u32();
  return length == 0 ? "" : read_global_heap_text(metadata, collection, index, length);
}

std::optional<TextAttribute> text_of(Metadata& metadata, const Attribute& attribute) {
  if (attribute.shared) return std::nullopt;
  const ParsedDatatype type = read_datatype(attribute.type);
  if (!type.is_string && !type.is_variable_string) return std::nullopt;
  if (read_dataspace(attribute.space, metadata.widths).rank() != 0) return std::nullopt;
  Cursor data(attribute.data);
  return TextAttribute{next_text(metadata, type, data), type.is_variable_string};
}

std::vector<std::string> list_of(Metadata& metadata, const Attribute& attribute) {
  if (attribute.shared) malformed("the attribute '{}' has a shared type", attribute.name);
  const Shape shape = read_dataspace(attribute.space, metadata.widths);
  if (shape.rank() != 1) malformed("the attribute '{}' is no list", attribute.name);
  if (shape[0] == 0) return {};
  const ParsedDatatype type = read_datatype(attribute.type);
  if (!type.is_string && !type.is_variable_string)
    malformed("the attribute '{}' is no list of texts", attribute.name);
  Cursor data(attribute.data);
  std::vector<std::string> out;
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    if (data.remaining() == 0) malformed("the attribute '{}' is cut short", attribute.name);
    out.push_back(next_text(metadata, type, data));
    metadata.charge(out.back().size() + sizeof(std::string));
  }
  return out;
}

/// Hands `use` the attribute, if it is among those that are too many for the object header: in a
/// fractal heap, with a B-tree of their names.
template <class Use>
void use_dense(Metadata& metadata, std::span<const std::byte> info, const std::string& name,
               const Use& use) {
  constexpr unsigned kTracksOrder = 0x01;
  constexpr std::size_t kHash = 4;  // of the name, at the end of a record
  const std::uint32_t hash = metadata_checksum(std::as_bytes(std::span(name)));
  Cursor cursor(info);
  cursor.expect_version(0, "an attribute info message");
  if (cursor.u8() & kTracksOrder) cursor.skip(2);
  const std::uint64_t heap_address = cursor.address(metadata.widths);
  const std::uint64_t tree_address = cursor.address(metadata.widths);
  if (heap_address == kUndefined) return;
  FractalHeap heap(metadata, heap_address);
  bool found = false;
  walk_btree2(metadata, tree_address, BTree2::kAttributeNames,
              [&](std::span<const std::byte> record) {
                if (found || record.size() < kHash) return;
                // Others may be too large to be read, and are nothing to us.
                if (Cursor(record.last(kHash)).u32() != hash) return;
                const auto message = heap.object(record);
                const Attribute attribute = read_attribute(message);
                if (attribute.name != name) return;
                found = true;
                use(attribute);
              });
}

/// Hands `use` the attribute of an object, if there is one of that name.
template <class Use>
void use_attribute(Metadata& metadata, const ObjectHeader& header, const std::string& name,
                   const Use& use) {
  for (const Message& message : header.messages()) {
    if (message.type != MessageType::kAttribute || message.shared) continue;
    const Attribute attribute = read_attribute(message.body);
    if (attribute.name == name) return use(attribute);
  }
  const Message* info = header.find(MessageType::kAttributeInfo);
  if (info != nullptr) use_dense(metadata, info->body, name, use);
}

}  // namespace

std::optional<TextAttribute> read_text_attribute(Metadata& metadata, const ObjectHeader& header,
                                                 const std::string& name) {
  std::optional<TextAttribute> result;
  use_attribute(metadata, header, name,
                [&](const Attribute& attribute) { result = text_of(metadata, attribute); });
  return result;
}

std::optional<std::vector<std::string>> read_text_list(Metadata& metadata,
                                                       const ObjectHeader& header,
                                                       const std::string& name) {
  std::optional<std::vector<std::string>> result;
  use_attribute(metadata, header, name,
                [&](const Attribute& attribute) { result = list_of(metadata, attribute); });
  return result;
}

}  // namespace lamina::h5
