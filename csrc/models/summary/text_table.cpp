#include "models/summary/text_table.h"

#include <algorithm>

namespace lamina::models {
namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

std::size_t length(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

// The first `count` characters.
std::string prefix(const std::string& text, std::size_t count) {
  std::size_t at = 0;
  for (std::size_t seen = 0; at < text.size(); ++at) {
    if (!is_continuation(text[at]) && seen++ == count) break;
  }
  return text.substr(0, at);
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

// Words with the spaces behind them.
std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find_first_not_of(' ', at);
    if (end != std::string::npos) end = text.find(' ', end);
    if (end != std::string::npos) end = text.find_first_not_of(' ', end);
    if (end == std::string::npos) end = text.size();
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string repeated(const char* text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  for (const std::string& word : words(text)) {
    if (!lines.back().empty() && length(lines.back()) + length(trimmed(word)) > width) {
      lines.emplace_back();
    }
    lines.back() += word;
  }
  for (std::string& line : lines) {
    line = trimmed(std::move(line));
    if (length(line) > width) line = prefix(line, width - 1) + "…";
  }
  return lines;
}

std::string TextTable::rule(const char* left, const char* line, const char* cross,
                            const char* right) const {
  std::string out = left;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    out += repeated(line, columns_[i].width + 2);
    out += i + 1 < columns_.size() ? cross : right;
  }
  return out + "\n";
}

std::string TextTable::row(const std::vector<std::string>& cells, const char* edge) const {
  std::vector<std::vector<std::string>> columns;
  std::size_t height = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns.push_back(wrap(cells.at(i), columns_[i].width));
    height = std::max(height, columns.back().size());
  }
  std::string out;
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string text = y < columns[i].size() ? columns[i][y] : "";
      const std::string space(columns_[i].width - length(text), ' ');
      out.append(edge)
          .append(" ")
          .append(columns_[i].right ? space + text : text + space)
          .append(" ");
    }
    out += edge;
    out += "\n";
  }
  return out;
}

std::string TextTable::str() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string out = rule("┏", "━", "┳", "┓") + row(titles, "┃") + rule("┡", "━", "╇", "┩");
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (i > 0) out += rule("├", "─", "┼", "┤");
    out += row(rows_[i], "│");
  }
  return out + rule("└", "─", "┴", "┘");
}

}  // namespace lamina::models
