#include "h5/read/datatype.h"

#include <algorithm>
#include <array>
#include <map>

#include "h5/read/cursor.h"

namespace lamina::h5 {
namespace {

enum Class : unsigned {
  kFixedPoint = 0,
  kFloatingPoint = 1,
  kTime = 2,
  kString = 3,
  kBitfield = 4,
  kOpaque = 5,
  kCompound = 6,
  kReference = 7,
  kEnumeration = 8,
  kVariableLength = 9,
  kArray = 10,
  kComplex = 11,
};

constexpr std::array kClassNames{"integer",  "float",           "time",     "string",
                                 "bitfield", "opaque",          "compound", "reference",
                                 "enum",     "variable-length", "array",    "complex"};
constexpr unsigned kVariableString = 1;

struct Head {
  unsigned kind, version;
  std::uint32_t bits;  ///< the class's bit field
  std::size_t size;

  explicit Head(Cursor& cursor) {
    const unsigned first = cursor.u8();
    kind = first & 15, version = first >> 4;
    bits = static_cast<std::uint32_t>(cursor.uint(3));
    size = cursor.u32();
    if (version == 0 || version > 5) malformed("version {} of a datatype is not known", version);
    if (kind >= kClassNames.size()) malformed("class {} of a datatype is not known", kind);
    if (size == 0) malformed("a datatype of no bytes");
  }
};

const char* order_name(const Datatype& type) {
  return type.big_endian && type.size > 1 ? " big-endian" : "";
}

std::optional<DType> integer_dtype(std::size_t size, bool is_signed) {
  switch (size) {
    case 1:
      return is_signed ? DType::kInt8 : DType::kUInt8;
    case 2:
      return is_signed ? DType::kInt16 : DType::kUInt16;
    case 4:
      return is_signed ? DType::kInt32 : DType::kUInt32;
    case 8:
      return is_signed ? DType::kInt64 : DType::kUInt64;
    default:
      return std::nullopt;
  }
}

void read_fixed_point(const Head& head, Cursor& cursor, Datatype& type) {
  type.kind = Datatype::Class::kInteger;
  type.big_endian = head.bits & 1;
  type.is_signed = head.bits & 8;
  const std::size_t offset = cursor.u16(), precision = cursor.u16();
  if (offset == 0 && precision == 8 * head.size)
    type.dtype = integer_dtype(head.size, type.is_signed);
  type.description =
      fmt::format("{}int{}{}", type.is_signed ? "" : "u", precision, order_name(type));
}

/// Where the parts of a float lie, as its message has them: offset, precision, exponent's place and
/// size, mantissa's place and size, bias, sign.
using FloatParts = std::array<unsigned, 8>;
struct KnownFloat {
  FloatParts parts;
  DType dtype;
};
constexpr std::array<KnownFloat, 4> kKnownFloats{{
    {{0, 16, 10, 5, 0, 10, 15, 15}, DType::kFloat16},
    {{0, 16, 7, 8, 0, 7, 127, 15}, DType::kBFloat16},
    {{0, 32, 23, 8, 0, 23, 127, 31}, DType::kFloat32},
    {{0, 64, 52, 11, 0, 52, 1023, 63}, DType::kFloat64},
}};

void read_floating_point(const Head& head, Cursor& cursor, Datatype& type) {
  type.kind = Datatype::Class::kFloat;
  type.big_endian = head.bits & 1;
  type.is_signed = true;
  FloatParts parts{};
  parts[0] = cursor.u16(), parts[1] = cursor.u16();
  for (unsigned i = 2; i < 6; ++i) parts[i] = cursor.u8();
  parts[6] = cursor.u32(), parts[7] = head.bits >> 8 & 255;
  const bool vax = head.bits & 0x40, implied_one = (head.bits >> 4 & 3) == 2;
  for (const KnownFloat& known : kKnownFloats) {
    if (known.parts == parts && parts[1] == 8 * head.size && !vax && implied_one)
      type.dtype = known.dtype;
  }
  const std::string name = type.dtype ? std::string(dtype_name(*type.dtype))
                                      : fmt::format("float of {} bytes", head.size);
  type.description = name + order_name(type);
}

void read_opaque(const Head& head, Cursor& cursor, ParsedDatatype& result) {
  Datatype& type = result.type;
  type.kind = Datatype::Class::kOpaque;
  const std::string tag = cursor.text(std::min<std::size_t>(head.bits & 255, cursor.remaining()));
  type.description = fmt::format("opaque({})", head.size);
  result.has_tag = !tag.empty();
  if (result.has_tag) type.description += " with the tag \"" + tag + "\"";
}

std::string enum_name(Cursor& cursor, bool padded) {
  std::string name;
  while (const char c = static_cast<char>(cursor.u8())) name += c;
  if (padded) cursor.skip(7 - name.size() % 8);
  return name;
}

void read_enumeration(const Head& head, Cursor& cursor, Datatype& type) {
  const Head base_head(cursor);
  if (base_head.kind != kFixedPoint || base_head.size != head.size)
    malformed("an enum of no integers");
  Datatype base;
  base.size = base_head.size;
  read_fixed_point(base_head, cursor, base);
  std::vector<std::string> names;
  for (unsigned i = 0; i < (head.bits & 0xffff); ++i)
    names.push_back(enum_name(cursor, head.version < 3));
  std::map<std::string, unsigned> members;
  for (const std::string& name : names) {
    members[name] = std::to_integer<unsigned>(cursor.take(base.size)[0]);
  }
  type.kind = Datatype::Class::kEnum;
  type.big_endian = base.big_endian;
  type.is_signed = base.is_signed;
  const bool is_bool =
      base.size == 1 && members == std::map<std::string, unsigned>{{"FALSE", 0}, {"TRUE", 1}};
  type.dtype = is_bool ? DType::kBool : base.dtype;
  type.description = is_bool ? "bool" : "enum over " + base.description;
}

}  // namespace

ParsedDatatype read_datatype(std::span<const std::byte> message) {
  Cursor cursor(message);
  const Head head(cursor);
  ParsedDatatype result;
  Datatype& type = result.type;
  type.size = head.size;
  switch (static_cast<Class>(head.kind)) {
    case kFixedPoint:
      read_fixed_point(head, cursor, type);
      break;
    case kFloatingPoint:
      read_floating_point(head, cursor, type);
      break;
    case kOpaque:
      read_opaque(head, cursor, result);
      break;
    case kEnumeration:
      read_enumeration(head, cursor, type);
      break;
    case kTime:
    case kString:
    case kBitfield:
    case kCompound:
    case kReference:
    case kVariableLength:
    case kArray:
    case kComplex:
      type.description = kClassNames[head.kind];
      break;
  }
  result.is_string = head.kind == kString;
  result.is_variable_string = head.kind == kVariableLength && (head.bits & 15) == kVariableString;
  return result;
}

}  // namespace lamina::h5
