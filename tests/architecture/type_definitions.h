#pragma once
#include <algorithm>
#include <cctype>
#include <numeric>
#include <set>
#include <string>
#include <vector>

// Finds the types that C++ text defines, without a compiler: for headers as they are written here.
namespace lamina::testing {

using Tokens = std::vector<std::string>;

inline bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// Where what begins at `at` and is no code ends: a comment, a literal, a preprocessor's line.
/// `at` itself where code begins.
inline std::size_t end_of_no_code(const std::string& text, std::size_t at) {
  const auto behind = [&](const std::string& what, std::size_t from) {
    return std::min(text.find(what, from), text.size()) + what.size();
  };
  if (text.compare(at, 3, "R\"(") == 0) return behind(")\"", at + 3);
  if (text.compare(at, 2, "/*") == 0) return behind("*/", at + 2);
  if (text.compare(at, 2, "//") == 0) return behind("\n", at);
  const bool separator = at > 0 && is_word(text[at - 1]) && text[at] == '\'';  // 1'000
  if (text[at] == '#') {
    std::size_t end = behind("\n", at);
    while (end < text.size() && text[end - 2] == '\\') end = behind("\n", end);
    return end;
  }
  if ((text[at] != '"' && text[at] != '\'') || separator) return at;
  std::size_t end = at + 1;
  while (end < text.size() && text[end] != text[at]) end += text[end] == '\\' ? 2 : 1;
  return end + 1;
}

/// Words, "::", and signs of one character.
inline Tokens tokens_of(const std::string& text) {
  Tokens result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = end_of_no_code(text, at);
    if (end == at) {
      while (end < text.size() && is_word(text[end])) ++end;
      if (end == at) end += text.compare(at, 2, "::") == 0 ? 2 : 1;
      if (std::isspace(static_cast<unsigned char>(text[at])) == 0)
        result.push_back(text.substr(at, end - at));
    }
    at = end;
  }
  return result;
}

/// What lies in no brackets of any kind, and the "<" of angle brackets. Within others < and > are
/// comparisons.
inline Tokens outermost(const Tokens& head) {
  Tokens result;
  int brackets = 0, angles = 0;
  for (const std::string& token : head) {
    const bool closes = token == ")" || token == "]";
    if (token == "(" || token == "[") ++brackets;
    if (closes) --brackets;
    if (brackets > 0 || closes) continue;
    if (token == ">") {
      angles = std::max(angles - 1, 0);
    } else if (token == "<" ? angles++ == 0 : angles == 0) {
      result.push_back(token);
    }
  }
  return result;
}

/// The type that braces behind `head` define; empty: none, a specialization or one of no name.
inline std::string defined_type(const Tokens& head) {
  static const std::set<std::string> kKeys = {"struct", "class", "enum", "union"};
  const Tokens tokens = outermost(head);
  auto it =
      std::find_if(tokens.begin(), tokens.end(), [](const auto& t) { return kKeys.contains(t); });
  if (it == tokens.end()) return "";
  std::string name;
  while (it != tokens.end() && kKeys.contains(*it)) ++it;
  for (; it != tokens.end() && *it != ":"; ++it) {
    if (*it == "<" || *it == "::") return "";
    if (is_word(it->front()) && *it != "final") name = *it;
  }
  return name;
}

/// The qualified names of the types that a text defines in its named namespaces.
inline std::multiset<std::string> definitions_in(const std::string& text) {
  std::multiset<std::string> result;
  std::vector<std::string> scopes;  // empty: its names are nested, local, or of this file alone
  Tokens head;
  for (const std::string& token : tokens_of(text)) {
    if (token == "{") {
      const auto keyword = std::find(head.begin(), head.end(), "namespace");
      const bool is_space = keyword != head.end();
      const std::string type = is_space ? "" : defined_type(head);
      if (!type.empty() && std::count(scopes.begin(), scopes.end(), "") == 0) {
        std::string qualified;
        for (const std::string& scope : scopes) qualified += scope + "::";
        result.insert(qualified.append(type));
      }
      std::string name;
      if (is_space) name = std::accumulate(keyword + 1, head.end(), name);
      scopes.push_back(name);
    } else if (token == "}" && !scopes.empty()) {
      scopes.pop_back();
    }
    if (token == "{" || token == "}" || token == ";") {
      head.clear();
    } else {
      head.push_back(token);
    }
  }
  return result;
}

}  // namespace lamina::testing
