#include "h5/layout_types.h"

#include <cstdint>

namespace lamina::h5 {
namespace {

Handle copy(hid_t type, const char* name) {
  return Handle(H5Tcopy(type), "H5Tcopy", name);
}

// HDF5 1.10 has no predefined half: the same bits as H5T_IEEE_F16LE of later versions.
Handle half_type() {
  Handle type = copy(H5T_IEEE_F32LE, "float16");
  checked(H5Tset_fields(type.get(), 15, 10, 5, 0, 10), "H5Tset_fields", "float16");
  checked(H5Tset_size(type.get(), 2), "H5Tset_size", "float16");
  checked(H5Tset_ebias(type.get(), 15), "H5Tset_ebias", "float16");
  return type;
}

// The tag must stay empty: h5py cannot read an opaque type with a tag.
Handle bfloat16_type() {
  Handle type(H5Tcreate(H5T_OPAQUE, 2), "H5Tcreate", "bfloat16");
  checked(H5Tset_tag(type.get(), ""), "H5Tset_tag", "bfloat16");
  return type;
}

Handle bool_type() {
  Handle type(H5Tenum_create(H5T_STD_I8LE), "H5Tenum_create", "bool");
  const std::int8_t no = 0, yes = 1;
  checked(H5Tenum_insert(type.get(), "FALSE", &no), "H5Tenum_insert", "bool");
  checked(H5Tenum_insert(type.get(), "TRUE", &yes), "H5Tenum_insert", "bool");
  return type;
}

}  // namespace

Handle file_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return copy(H5T_IEEE_F32LE, "float32");
    case DType::kFloat64:
      return copy(H5T_IEEE_F64LE, "float64");
    case DType::kFloat16:
      return half_type();
    case DType::kBFloat16:
      return bfloat16_type();
    case DType::kInt8:
      return copy(H5T_STD_I8LE, "int8");
    case DType::kInt16:
      return copy(H5T_STD_I16LE, "int16");
    case DType::kInt32:
      return copy(H5T_STD_I32LE, "int32");
    case DType::kInt64:
      return copy(H5T_STD_I64LE, "int64");
    case DType::kUInt8:
      return copy(H5T_STD_U8LE, "uint8");
    case DType::kUInt16:
      return copy(H5T_STD_U16LE, "uint16");
    case DType::kUInt32:
      return copy(H5T_STD_U32LE, "uint32");
    case DType::kUInt64:
      return copy(H5T_STD_U64LE, "uint64");
    case DType::kBool:
      return bool_type();
  }
  __builtin_unreachable();
}

Handle string_type() {
  Handle type = copy(H5T_C_S1, "string");
  checked(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size", "string");
  checked(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset", "string");
  return type;
}

}  // namespace lamina::h5
