#include <lamina/npy.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "storage/npy_header.h"
#include "storage/storage.h"

namespace lamina {
namespace {

using storage::kNpyHeaderBytes;
using storage::NpyHeader;
using storage::parse_npy_header;

void reverse_elements(std::span<std::byte> bytes, std::size_t element) {
  if (element == 1) return;
  for (std::size_t i = 0; i < bytes.size(); i += element) {
    std::ranges::reverse(bytes.subspan(i, element));
  }
}

/// Elements stored with the first dimension fastest, put into row-major order.
Tensor from_fortran(const Tensor& stored) {
  const Shape& shape = stored.shape();
  Tensor result = Tensor::empty(shape, stored.dtype());
  const std::size_t element = dtype_size(stored.dtype());
  std::vector<std::int64_t> index(shape.rank(), 0), stride(shape.rank(), 1);
  for (std::size_t axis = 1; axis < shape.rank(); ++axis) {
    stride[axis] = stride[axis - 1] * shape.dims()[axis - 1];
  }
  std::int64_t source = 0;
  for (std::int64_t target = 0; target < stored.size(); ++target) {
    std::memcpy(result.bytes().data() + static_cast<std::size_t>(target) * element,
                stored.bytes().data() + static_cast<std::size_t>(source) * element, element);
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      source += stride[axis];
      if (++index[axis] < shape.dims()[axis]) break;
      source -= stride[axis] * shape.dims()[axis];
      index[axis] = 0;
    }
  }
  return result;
}

std::string_view type_code(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return "|b1";
    case DType::kInt8:
      return "|i1";
    case DType::kInt16:
      return "<i2";
    case DType::kInt32:
      return "<i4";
    case DType::kInt64:
      return "<i8";
    case DType::kUInt8:
      return "|u1";
    case DType::kUInt16:
      return "<u2";
    case DType::kUInt32:
      return "<u4";
    case DType::kUInt64:
      return "<u8";
    case DType::kFloat16:
      return "<f2";
    case DType::kFloat32:
      return "<f4";
    case DType::kFloat64:
      return "<f8";
    case DType::kBFloat16:
      return "<V2";
  }
  __builtin_unreachable();
}

std::string header_text(const Tensor& tensor) {
  std::string text = "{'descr': '" + std::string(type_code(tensor.dtype())) +
                     "', 'fortran_order': False, 'shape': " + tensor.shape().str() + ", }";
  constexpr std::size_t kPrefix = 10, kAlignment = 64;
  text.append(kAlignment - 1 - (kPrefix + text.size()) % kAlignment, ' ');
  text += '\n';
  std::string header = "\x93NUMPY\x01";
  header += '\0';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

/// A bool is 0 or 1 in C++, and a file may hold anything.
void normalise_bools(std::span<std::byte> bytes) {
  for (std::byte& byte : bytes) byte = std::byte{byte != std::byte{0}};
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) {
  const auto file = storage::posix().open(path);
  std::vector<std::byte> start(std::min<std::uint64_t>(file->size(), kNpyHeaderBytes));
  file->read_at(0, start);
  const NpyHeader header = parse_npy_header(start, file->size(), path.string());
  Tensor tensor = Tensor::empty(header.shape, header.dtype);
  file->read_at(header.data_offset, tensor.bytes());
  if (header.big_endian) reverse_elements(tensor.bytes(), dtype_size(header.dtype));
  if (header.dtype == DType::kBool) normalise_bools(tensor.bytes());
  return header.fortran_order && header.shape.rank() > 1 ? from_fortran(tensor) : tensor;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const std::string header = header_text(tensor);
  const auto file = storage::posix().create(path);
  file->write_at(0, std::as_bytes(std::span(header)));
  file->write_at(header.size(), tensor.bytes());
  file->close();
}

}  // namespace lamina
