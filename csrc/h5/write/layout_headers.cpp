// "HDF5 File Format Specification", IV.A.1.a (version 1 object headers) and IV.A.2 (their
// messages), in the versions that HDF5 writes where h5py asks it for the earliest.
#include "h5/write/layout_headers.h"

#include <string_view>

#include "h5/format.h"
#include "h5/write/field_writer.h"
#include "h5/write/layout_types.h"

namespace lamina::h5 {
namespace {

constexpr std::uint64_t kPrefix = 16;
constexpr std::uint64_t kMessagePrefix = 8;
constexpr std::uint64_t kSymbolTableBytes = 16;
constexpr std::uint64_t kFillBytes = 8;
constexpr std::uint64_t kLayoutBytes = 24;
constexpr std::uint64_t kScalarBytes = 8;
constexpr std::uint64_t kTextBytes = 16;
constexpr std::uint8_t kConstant = 1;
// Version 2; space is allocated early; never filled; the value is the default.
constexpr std::uint8_t kNoFill[] = {2, 1, 1, 1};
constexpr std::uint8_t kContiguous[] = {3, 1};  // version 3

std::uint64_t space_bytes(const Shape& shape) {
  return 8 + 16 * shape.rank();  // the shape, and the same as the greatest that it may become
}

std::uint64_t attribute_bytes(std::string_view name) {
  return 8 + round_up_to_8(name.size() + 1) + round_up_to_8(text_type().size()) + kScalarBytes +
         kTextBytes;
}

void write_prefix(FieldWriter& out, std::uint16_t messages, std::uint64_t bytes) {
  out.u8(1);  // version
  out.skip(1);
  out.u16(messages);
  out.u32(1);  // a link leads here
  out.u32(static_cast<std::uint32_t>(bytes - kPrefix));
  out.skip(4);
}

FieldWriter message(FieldWriter& out, MessageType type, std::uint64_t bytes,
                    std::uint8_t flags = 0) {
  out.u16(static_cast<std::uint16_t>(type));
  out.u16(static_cast<std::uint16_t>(bytes));
  out.u8(flags);
  out.skip(3);
  return FieldWriter(out.take(bytes));
}

void write_attribute(FieldWriter& header, std::string_view name, const TextPlace& text) {
  FieldWriter out = message(header, MessageType::kAttribute, attribute_bytes(name));
  const auto type = text_type();
  out.u8(1);  // version
  out.skip(1);
  out.u16(static_cast<std::uint16_t>(name.size() + 1));
  out.u16(static_cast<std::uint16_t>(type.size()));
  out.u16(kScalarBytes);
  FieldWriter(out.take(round_up_to_8(name.size() + 1))).text(name);
  FieldWriter(out.take(round_up_to_8(type.size()))).bytes(type);
  FieldWriter(out.take(kScalarBytes)).u8(1);  // version, and no dimensions
  out.u32(text.size);
  out.u64(text.collection);
  out.u32(text.index);
}

void write_space(FieldWriter& header, const Shape& shape) {
  FieldWriter out = message(header, MessageType::kDataspace, space_bytes(shape));
  out.u8(1);  // version
  out.u8(static_cast<std::uint8_t>(shape.rank()));
  out.u8(shape.rank() > 0 ? 1 : 0);  // the greatest shape is there
  out.skip(5);
  for (int twice = 0; twice < 2; ++twice) {
    for (const std::int64_t dim : shape) out.u64(static_cast<std::uint64_t>(dim));
  }
}

}  // namespace

std::uint64_t group_header_bytes(bool has_name) {
  return kPrefix + kMessagePrefix + kSymbolTableBytes +
         (has_name ? kMessagePrefix + attribute_bytes("name") : 0);
}

void write_group_header(std::span<std::byte> at, const SymbolTablePlaces& symbols,
                        const TextPlace* name) {
  FieldWriter out(at);
  write_prefix(out, name != nullptr ? 2 : 1, at.size());
  FieldWriter table = message(out, MessageType::kSymbolTable, kSymbolTableBytes);
  table.u64(symbols.root);
  table.u64(symbols.heap);
  if (name != nullptr) write_attribute(out, "name", *name);
}

bool has_dtype_attribute(DType dtype) {
  return dtype == DType::kBFloat16;
}

std::uint64_t dataset_header_bytes(const LayoutDataset& dataset) {
  return kPrefix + 4 * kMessagePrefix + space_bytes(dataset.shape) +
         round_up_to_8(type_bytes(dataset.dtype).size()) + kFillBytes + kLayoutBytes +
         (has_dtype_attribute(dataset.dtype) ? kMessagePrefix + attribute_bytes("dtype") : 0);
}

void write_dataset_header(std::span<std::byte> at, const LayoutDataset& dataset,
                          std::uint64_t offset, std::uint64_t size, const TextPlace* dtype) {
  FieldWriter out(at);
  write_prefix(out, dtype != nullptr ? 5 : 4, at.size());
  write_space(out, dataset.shape);
  const auto type = type_bytes(dataset.dtype);
  message(out, MessageType::kDatatype, round_up_to_8(type.size()), kConstant).bytes(type);
  message(out, MessageType::kFillValue, kFillBytes, kConstant).bytes(kNoFill);
  FieldWriter layout =
      message(out, MessageType::kDataLayout, kLayoutBytes, size > 0 ? kConstant : 0);
  layout.bytes(kContiguous);
  layout.u64(size > 0 ? offset : kUndefined);
  layout.u64(size);
  if (dtype != nullptr) write_attribute(out, "dtype", *dtype);
}

}  // namespace lamina::h5
