#include "core/naming.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

namespace lamina::core {
namespace {

using CodePoints = std::u32string;
constexpr char32_t kInvalid =
    0xDC00;  // + byte: a byte that is no UTF-8, carried through (as Python does)

bool is_upper(char32_t c) {
  return c >= U'A' && c <= U'Z';
}
bool is_lower(char32_t c) {
  return c >= U'a' && c <= U'z';
}

// Length of the UTF-8 sequence that starts at `at`, 0 when it is malformed.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

CodePoints decode(std::string_view text) {
  CodePoints out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    const auto lead = static_cast<unsigned char>(text[at]);
    if (length == 0) {
      out += static_cast<char32_t>(kInvalid + lead);
      ++at;
      continue;
    }
    char32_t c = length == 1 ? lead : lead & (0x7F >> length);
    for (std::size_t i = 1; i < length; ++i) c = (c << 6) | (text[at + i] & 0x3F);
    out += c;
    at += length;
  }
  return out;
}

void encode(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c >= kInvalid + 0x80 && c < kInvalid + 0x100) {
    out += static_cast<char>(c - kInvalid);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_word(char32_t c) {
  if (c < 0x80) return is_upper(c) || is_lower(c) || (c >= U'0' && c <= U'9') || c == U'_';
  if (c < 0xC0) {  // Latin-1: only the ordinals, digits and fractions among the signs
    return c == 0xAA || c == 0xB2 || c == 0xB3 || c == 0xB5 || c == 0xB9 || c == 0xBA ||
           (c >= 0xBC && c <= 0xBE);
  }
  return c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c <= 0x206F) && !(c >= 0x3000 && c <= 0x3004) &&
         !(c >= 0x3008 && c <= 0x3020);
}

char32_t lower(char32_t c) {
  if (is_upper(c) || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
      (c >= 0x410 && c <= 0x42F)) {
    return c + 0x20;
  }
  if (c >= 0x400 && c <= 0x40F) return c + 0x50;
  if (((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) && c != 0x130) return c | 1;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c + (c & 1);
  return c;
}

// (.)([A-Z][a-z]+) -> \1_\2
CodePoints split_words(const CodePoints& in) {
  CodePoints out;
  for (std::size_t i = 0; i < in.size();) {
    out += in[i++];
    if (i + 1 >= in.size() || !is_upper(in[i]) || !is_lower(in[i + 1])) continue;
    out += U'_';
    out += in[i++];
    while (i < in.size() && is_lower(in[i])) out += in[i++];
  }
  return out;
}

// ([a-z])([A-Z]) -> \1_\2
CodePoints split_case(const CodePoints& in) {
  CodePoints out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (i > 0 && is_lower(in[i - 1]) && is_upper(in[i])) out += U'_';
    out += in[i];
  }
  return out;
}

}  // namespace

std::string to_snake_case(std::string_view class_name) {
  CodePoints word;
  for (char32_t c : decode(class_name)) {
    if (is_word(c)) word += c;
  }
  std::string out;
  for (char32_t c : split_case(split_words(word))) encode(out, lower(c));
  return out;
}

NameTable::Uses& NameTable::look_up(const std::string& base) {
  const auto [it, fresh] = places_.try_emplace(base, uses_.size());
  if (fresh) uses_.push_back({base});
  last_ = it->second;
  return uses_[last_];
}

void NameTable::append(const std::string& base, std::string& out) {
  const int uses = uses_of(base).count++;
  out += base;
  if (uses == 0) return;
  std::array<char, std::numeric_limits<int>::digits10 + 2> number;
  number[0] = '_';
  const auto* end = std::to_chars(number.data() + 1, number.data() + number.size(), uses).ptr;
  out.append(number.data(), static_cast<std::size_t>(end - number.data()));
}

}  // namespace lamina::core
