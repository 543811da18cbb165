#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace lamina::models {

/// A table in box-drawing characters with a line between rows, as Keras prints its summaries: words
/// wrap at spaces, and what is longer than its column ends in an ellipsis.
class TextTable {
 public:
  struct Column {
    std::string title;
    std::size_t width;  ///< characters, padding not counted
    bool right = false;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] std::string str() const;

 private:
  [[nodiscard]] std::string rule(const char* left, const char* line, const char* cross,
                                 const char* right) const;
  [[nodiscard]] std::string row(const std::vector<std::string>& cells, const char* edge) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// UTF-8 `text` in lines of at most `width` characters.
[[nodiscard]] std::vector<std::string> wrap(const std::string& text, std::size_t width);

}  // namespace lamina::models
