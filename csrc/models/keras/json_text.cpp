#include "models/keras/json_text.h"

#include <lamina/error.h>

namespace lamina::models {
namespace {

using nlohmann::json;

// The configuration of EfficientNetV2L, a large one, has 0.9 MB, 80,000 values and depth 14.
constexpr std::size_t kMaxBytes = 64u << 20;
constexpr std::size_t kMaxValues = 1'000'000;
constexpr std::size_t kMaxDepth = 256;

// Walks the text without keeping it.
class Limits : public nlohmann::json_sax<json> {
 public:
  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(std::size_t) override { return enter(); }
  bool key(string_t&) override { return true; }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    problem = error.what();
    return false;
  }

  std::string problem;

 private:
  bool count() {
    if (++values_ <= kMaxValues) return true;
    problem = "more than " + std::to_string(kMaxValues) + " values";
    return false;
  }
  bool enter() {
    if (++depth_ > kMaxDepth) {
      problem = "nested deeper than " + std::to_string(kMaxDepth);
      return false;
    }
    return count();
  }
  bool leave() {
    --depth_;
    return true;
  }

  std::size_t values_ = 0, depth_ = 0;
};

[[noreturn]] void bad(const std::string& where, const char* key, const char* expected) {
  throw FormatError(where + ": '" + key + "' is missing or is no " + expected + ".");
}

}  // namespace

json parse_untrusted(std::string_view text, const std::string& source) {
  if (text.size() > kMaxBytes) {
    throw FormatError(source + ": " + std::to_string(text.size()) +
                      " bytes are too many for a configuration.");
  }
  Limits limits;
  if (!json::sax_parse(text, &limits))
    throw FormatError(source + ": no valid JSON: " + limits.problem);
  return json::parse(text);
}

const json& member(const json& object, const char* key, const std::string& where) {
  if (!object.is_object()) throw FormatError(where + ": expected an object.");
  const auto it = object.find(key);
  if (it == object.end()) bad(where, key, "value");
  return *it;
}

const json& array_member(const json& object, const char* key, const std::string& where) {
  const json& value = member(object, key, where);
  if (!value.is_array()) bad(where, key, "list");
  return value;
}

std::string string_member(const json& object, const char* key, const std::string& where) {
  const json& value = member(object, key, where);
  if (!value.is_string()) bad(where, key, "string");
  return value.get<std::string>();
}

std::string optional_string(const json& object, const char* key, const std::string& where) {
  if (!object.is_object()) throw FormatError(where + ": expected an object.");
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return {};
  if (!it->is_string()) bad(where, key, "string");
  return it->get<std::string>();
}

}  // namespace lamina::models
