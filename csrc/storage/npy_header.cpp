#include <lamina/error.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "storage/npy_header.h"

namespace lamina::storage {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxRank = 64;  // as many as NumPy has

/// Reads the header's text, a Python dict display with three known keys, and nothing more of
/// Python.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      parse_item();
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_blanks();
    if (at_ != text_.size()) fail("something follows the closing brace");
    if (!descr_ || !order_ || !shape_) fail("it lacks one of 'descr', 'fortran_order' and 'shape'");
    NpyHeader header;
    set_type(header, *descr_);
    header.fortran_order = *order_;
    header.shape = *shape_;
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError("'" + file_ + "' is not an .npy file that can be read: bad header, " + what);
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char wanted) {
    skip_blanks();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted))
      fail(std::string("'") + wanted + "' expected at byte " + std::to_string(at_));
  }

  void parse_item() {
    const std::string_view key = parse_string();
    expect(':');
    if (key == "descr") {
      set_once(descr_, parse_string(), key);
    } else if (key == "fortran_order") {
      set_once(order_, parse_bool(), key);
    } else if (key == "shape") {
      set_once(shape_, parse_shape(), key);
    } else {
      fail("unknown key");
    }
  }

  template <class T>
  void set_once(std::optional<T>& slot, T value, std::string_view key) {
    if (slot) fail("'" + std::string(key) + "' stands twice");
    slot = std::move(value);
  }

  std::string_view parse_string() {
    skip_blanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("a string expected at byte " + std::to_string(at_));
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a string does not end");
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }

  bool parse_bool() {
    skip_blanks();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("True or False expected at byte " + std::to_string(at_));
  }

  Shape parse_shape() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      if (shape.rank() == kMaxRank) fail("more than 64 dimensions");
      shape.push_back(parse_dimension());
      if (accept(',')) continue;
      // "(3)" is a number in Python, no tuple
      if (shape.rank() == 1) fail("the shape is no tuple");
      expect(')');
      break;
    }
    return shape;
  }

  std::int64_t parse_dimension() {
    skip_blanks();
    std::int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) fail("bad dimension at byte " + std::to_string(at_));
    at_ += static_cast<std::size_t>(end - begin);
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote 3L
    return value;
  }

  void set_type(NpyHeader& header, std::string_view descr) const {
    struct Row {
      std::string_view code;
      DType dtype;
    };
    static constexpr Row kRows[] = {
        {"b1", DType::kBool},    {"i1", DType::kInt8},    {"i2", DType::kInt16},
        {"i4", DType::kInt32},   {"i8", DType::kInt64},   {"u1", DType::kUInt8},
        {"u2", DType::kUInt16},  {"u4", DType::kUInt32},  {"u8", DType::kUInt64},
        {"f2", DType::kFloat16}, {"f4", DType::kFloat32}, {"f8", DType::kFloat64},
        {"V2", DType::kBFloat16}};
    const bool has_order =
        !descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
    const std::string_view code = has_order ? descr.substr(1) : descr;
    const auto* row = std::ranges::find(kRows, code, &Row::code);
    if (row == std::end(kRows))
      fail("the type '" + std::string(descr.substr(0, 40)) + "' has no counterpart");
    header.dtype = row->dtype;
    header.big_endian = descr[0] == '>';
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
  std::optional<std::string_view> descr_;
  std::optional<bool> order_;
  std::optional<Shape> shape_;
};

std::size_t read_little_endian(std::span<const std::byte> bytes) {
  std::size_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | std::to_integer<std::size_t>(bytes[i]);
  return value;
}

/// Bytes of the elements; nothing when no memory could hold them.
std::optional<std::size_t> data_bytes(const NpyHeader& header) {
  if (std::ranges::find(header.shape, 0) != header.shape.end()) return 0;
  std::size_t bytes = dtype_size(header.dtype);
  for (const std::int64_t dim : header.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(dim), &bytes)) return {};
  }
  return bytes;
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> start, std::size_t file_size,
                           const std::string& file) {
  const auto fail = [&](const std::string& what) {
    throw FormatError("'" + file + "' is not an .npy file that can be read: " + what);
  };
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (start.size() < 10 || !text.starts_with(kMagic)) fail("it does not start as one");
  const int version = std::to_integer<int>(start[6]);
  if (version < 1 || version > 3) fail("format version " + std::to_string(version) + " is unknown");
  const std::size_t prefix = version == 1 ? 10 : 12;
  if (start.size() < prefix) fail("it ends within its header");
  const std::size_t length = read_little_endian(start.subspan(8, prefix - 8));
  if (length > kNpyHeaderBytes - 12) fail("its header claims " + std::to_string(length) + " bytes");
  if (length > start.size() - prefix) fail("it ends within its header");

  NpyHeader header = HeaderParser(text.substr(prefix, length), file).parse();
  header.data_offset = prefix + length;
  const std::optional<std::size_t> bytes = data_bytes(header);
  if (!bytes || *bytes != file_size - header.data_offset) {
    fail("shape " + header.shape.str() + " of " + std::string(dtype_name(header.dtype)) +
         " needs " +
         (bytes ? std::to_string(*bytes) + " bytes" : "more bytes than there are addresses") +
         ", and " + std::to_string(file_size - header.data_offset) + " follow the header");
  }
  return header;
}

}  // namespace lamina::storage
