#include "h5/read/dataset_info.h"

#include "h5/read/attribute.h"
#include "h5/read/chunk_index.h"
#include "h5/read/dataspace.h"
#include "h5/read/datatype.h"

namespace lamina::h5 {
namespace {

/// A datatype that was given a name of its own lies in another object's header.
ParsedDatatype read_committed_datatype(Metadata& metadata, std::span<const std::byte> reference) {
  constexpr unsigned kCommitted = 2;
  Cursor cursor(reference);
  const unsigned version = cursor.u8();
  if (version < 1 || version > 3) malformed("version {} of a shared message is not known", version);
  const unsigned kind = cursor.u8();
  if (version == 3 && kind != kCommitted)
    malformed("a datatype in a heap of shared messages is not supported");
  if (version == 1) cursor.skip(6);
  const ObjectHeader named = read_object_header(metadata, cursor.address(metadata.widths));
  return read_datatype(named.body(MessageType::kDatatype, "datatype"));
}

Datatype read_type(Metadata& metadata, const ObjectHeader& header) {
  const Message* message = header.find(MessageType::kDatatype);
  if (message == nullptr) malformed("a dataset without a datatype");
  ParsedDatatype parsed = message->shared ? read_committed_datatype(metadata, message->body)
                                          : read_datatype(message->body);
  Datatype& type = parsed.type;
  const bool opaque = type.kind == Datatype::Class::kOpaque;
  // Numbers, or the bits of bfloat16 in the wrong type? The attribute tells; Keras reads neither.
  const bool bits = type.kind == Datatype::Class::kInteger;
  if (!(opaque || bits) || type.size != 2 || parsed.has_tag) return type;
  const auto attribute = read_text_attribute(metadata, header, "dtype");
  if (bits) {
    if (attribute && attribute->value == "bfloat16") {
      type.dtype.reset();
      type.description += " with the attribute dtype=\"bfloat16\"";
    }
  } else if (!attribute) {
    type.description += " without the attribute dtype";
  } else if (attribute->value != "bfloat16") {
    type.description += " with the attribute dtype=\"" + attribute->value + "\"";
  } else if (!attribute->variable) {
    type.description +=
        " with an attribute dtype of fixed length, which Keras does not take for bfloat16";
  } else {
    type.dtype = DType::kBFloat16;
    type.description = "bfloat16";
  }
  return type;
}

std::vector<std::byte> read_fill(const ObjectHeader& header, std::size_t element) {
  const bool old = header.find(MessageType::kFillValue) == nullptr;
  const Message* message = header.find(old ? MessageType::kOldFillValue : MessageType::kFillValue);
  if (message == nullptr) return {};
  if (message->shared) malformed("a shared fill value, which is not read");
  Cursor cursor(message->body);
  if (!old) {
    const unsigned version = cursor.u8();
    if (version < 1 || version > 3) malformed("version {} of a fill value is not known", version);
    if (version < 3) cursor.skip(2);
    const unsigned flags = cursor.u8();
    const bool has_value = version == 1 || (version == 2 ? flags != 0 : (flags & 0x20) != 0);
    if (!has_value) return {};
  }
  const std::uint32_t size = cursor.u32();
  if (size == 0 || size == ~std::uint32_t{0}) return {};
  if (size != element) malformed("a fill value of {} bytes for elements of {}", size, element);
  const auto bytes = cursor.take(size);
  return {bytes.begin(), bytes.end()};
}

void check_contiguous(const Metadata& metadata, const DatasetInfo& info) {
  const DataLayout& layout = info.layout;
  if (info.nbytes == 0 || layout.address == kUndefined) return;
  if (layout.size < info.nbytes) {
    malformed("it declares {} bytes and stores {}", info.nbytes, layout.size);
  }
  if (!metadata.holds(layout.address, info.nbytes)) {
    malformed("its {} bytes at address {} reach past the end of the file ({} bytes)", info.nbytes,
              layout.address, metadata.size());
  }
}

/// Chunks that are much larger than the dataset would make the reader work and allocate for
/// nothing.
void check_chunks(const DatasetInfo& info) {
  constexpr std::uint64_t kFree = 16 << 20, kMostPadding = 16;
  const DataLayout& layout = info.layout;
  if (layout.chunk.size() != info.shape.rank()) {
    malformed("chunks of {} dimensions for a shape of {}", layout.chunk.size(), info.shape.rank());
  }
  if (layout.chunk_bytes % info.type.size != 0) malformed("chunks of another element size");
  std::uint64_t elements = 1;
  for (const std::uint64_t dim : layout.chunk) elements *= dim;
  if (elements * info.type.size != layout.chunk_bytes) malformed("chunks of another element size");
  const double padded =
      static_cast<double>(chunk_count(info)) * static_cast<double>(layout.chunk_bytes);
  if (padded > static_cast<double>(kFree) + kMostPadding * static_cast<double>(info.nbytes)) {
    malformed("chunks of {} bytes for a dataset of {}", layout.chunk_bytes, info.nbytes);
  }
}

}  // namespace

DatasetInfo read_dataset_info(Metadata& metadata, const ObjectHeader& header) {
  if (!header.is_dataset()) malformed("Invalid H5 file, expected Dataset, received another object");
  DatasetInfo info;
  const auto space = header.body(MessageType::kDataspace, "dataspace");
  info.shape = read_dataspace(space, metadata.widths);
  info.type = read_type(metadata, header);
  info.nbytes = byte_count(info.shape, info.type.size);
  if (header.find(MessageType::kExternalFiles) != nullptr)
    malformed("Not allowed: H5 file with external Dataset");
  info.layout =
      read_data_layout(header.body(MessageType::kDataLayout, "data layout"), metadata.widths);
  info.fill = read_fill(header, info.type.size);
  switch (info.layout.kind) {
    case DataLayout::Kind::kVirtual:
      malformed("Not allowed: H5 file with virtual Dataset");
    case DataLayout::Kind::kContiguous:
      check_contiguous(metadata, info);
      break;
    case DataLayout::Kind::kCompact:
      if (info.layout.size < info.nbytes)
        malformed("it declares {} bytes and stores {}", info.nbytes, info.layout.size);
      break;
    case DataLayout::Kind::kChunked:
      info.maximum = read_largest_dimensions(space, metadata.widths);
      check_chunks(info);
      if (header.find(MessageType::kFilterPipeline) != nullptr) {
        info.pipeline = read_pipeline(header.body(MessageType::kFilterPipeline, "filter pipeline"));
      }
      break;
  }
  return info;
}

std::uint64_t stored_bytes(Metadata& metadata, const DatasetInfo& info) {
  const DataLayout& layout = info.layout;
  if (layout.address == kUndefined && layout.kind != DataLayout::Kind::kCompact) return 0;
  if (layout.kind != DataLayout::Kind::kChunked) return layout.size;
  std::uint64_t total = 0;
  for_each_chunk(metadata, info, [&](const Chunk& chunk) { total += chunk.size; });
  return total;
}

}  // namespace lamina::h5
