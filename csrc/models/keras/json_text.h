#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace lamina::models {

/// Parses text that nobody vouches for: size, depth and number of values are checked before
/// anything is kept. Throws FormatError naming `source`.
[[nodiscard]] nlohmann::json parse_untrusted(std::string_view text, const std::string& source);

// Members of objects, checked. Throw FormatError naming `where` and what was expected.
[[nodiscard]] const nlohmann::json& member(const nlohmann::json& object, const char* key,
                                           const std::string& where);
[[nodiscard]] const nlohmann::json& array_member(const nlohmann::json& object, const char* key,
                                                 const std::string& where);
[[nodiscard]] std::string string_member(const nlohmann::json& object, const char* key,
                                        const std::string& where);
/// The member as a string; "" when it is missing or null.
[[nodiscard]] std::string optional_string(const nlohmann::json& object, const char* key,
                                          const std::string& where);

}  // namespace lamina::models
