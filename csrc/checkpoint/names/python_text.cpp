#include "checkpoint/names/python_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace lamina::checkpoint {
namespace {

/// The code point at the front of `text`, removed from it; a byte that starts none gives U+DC00 +
/// byte.
char32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const int length = first < 0x80   ? 1
                     : first < 0xc2 ? 0
                     : first < 0xe0 ? 2
                     : first < 0xf0 ? 3
                     : first < 0xf5 ? 4
                                    : 0;
  char32_t code = first;
  bool valid = length > 0 && static_cast<std::size_t>(length) <= text.size();
  if (valid && length > 1) {
    code = first & (0xff >> (length + 1));
    for (int i = 1; i < length; ++i) {
      valid = valid && (byte(i) & 0xc0) == 0x80;
      code = code << 6 | (byte(i) & 0x3f);
    }
    const char32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    valid = valid && code >= smallest && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  }
  text.remove_prefix(valid ? length : 1);
  return valid ? code : 0xdc00u + first;
}

void append_escaped(std::string& out, char32_t code) {
  switch (code) {
    case U'"':
      out += "\\\"";
      return;
    case U'\\':
      out += "\\\\";
      return;
    case U'\n':
      out += "\\n";
      return;
    case U'\r':
      out += "\\r";
      return;
    case U'\t':
      out += "\\t";
      return;
    case U'\b':
      out += "\\b";
      return;
    case U'\f':
      out += "\\f";
      return;
  }
  const auto value = static_cast<std::uint32_t>(code);
  if (value >= 0x20 && value < 0x7f) {
    out += static_cast<char>(value);
  } else if (value < 0x10000) {
    out += fmt::format("\\u{:04x}", value);
  } else {
    const std::uint32_t rest = value - 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
  }
}

}  // namespace

std::string python_float(double value) {
  if (!std::isfinite(value))
    return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  const std::string_view scientific(text, end - text);
  const std::size_t e = scientific.find('e');
  const int exponent = std::atoi(std::string(scientific.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  char plain[64];
  const auto stop = std::to_chars(plain, plain + sizeof plain, value, std::chars_format::fixed).ptr;
  std::string out(plain, stop);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string python_json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) append_escaped(out, take_code_point(text));
  return out + '"';
}

std::string python_list(std::span<const std::string> items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ", ";
    const char quote = item.find('\'') != item.npos && item.find('"') == item.npos ? '"' : '\'';
    out += quote + item + quote;
  }
  return out + "]";
}

}  // namespace lamina::checkpoint
