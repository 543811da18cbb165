#include "cli/text.h"

#include <algorithm>

namespace lamina::cli {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string padding(std::size_t width, std::string_view cell) {
  return std::string(width - std::min(width, columns(cell)), ' ');
}

}  // namespace

std::string one_line(std::string_view message) {
  std::string line;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = std::min(message.find_first_of("\r\n", at), message.size());
    std::string_view part = message.substr(at, end - at);
    while (!part.empty() && is_blank(part.front())) part.remove_prefix(1);
    while (!part.empty() && is_blank(part.back())) part.remove_suffix(1);
    if (!line.empty() && !part.empty())
      line += line.ends_with(':') || line.ends_with(';') ? " " : "; ";
    line += printable(part);
    at = end + 1;
  }
  return line;
}

std::size_t columns(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string format_table(const std::vector<std::vector<std::string>>& rows,
                         const std::vector<bool>& right) {
  std::vector<std::size_t> widths(right.size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i != 0) line += "  ";
      const std::string blanks = padding(widths[i], row[i]);
      line += right[i] ? blanks + row[i] : row[i] + blanks;
    }
    while (line.ends_with(' ')) line.pop_back();
    text += line + '\n';
  }
  return text;
}

}  // namespace lamina::cli
