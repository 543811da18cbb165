#include "training/callbacks/path_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "training/callbacks/number_text.h"

namespace lamina::training {
namespace {

template <class T>
std::string formatted(const T& value, std::string_view spec) {
  return fmt::vformat(fmt::format("{{:{}}}", spec), fmt::make_format_args(value));
}

/// As Python does: "1.0" where nothing says how, and no sign of NaN.
std::string formatted_log(double value, std::string_view spec) {
  if (spec.empty()) return number_text(value);
  return formatted(std::isnan(value) ? std::fabs(value) : value, spec);
}

/// What the fields of a pattern may be.
struct Fields {
  std::int64_t epoch;
  std::optional<std::int64_t> batch;
  const Logs& logs;

  /// Of "name" or "name:spec". Names are what logs are called, which need not be identifiers.
  [[nodiscard]] std::string fill(std::string_view field) const {
    const std::string name(field.substr(0, field.find(':')));
    const std::string_view spec = field.substr(std::min(name.size() + 1, field.size()));
    if (const auto log = logs.find(name); log != logs.end()) {
      return formatted_log(log->second, spec);
    }
    if (name == "epoch") return formatted(epoch, spec);
    if (name == "batch" && batch) return formatted(*batch, spec);
    throw fmt::format_error("there is no '" + name + "'");
  }
  [[nodiscard]] std::string names() const {
    std::string known = batch ? "epoch, batch" : "epoch";
    for (const auto& [name, value] : logs) known += ", " + name;
    return known;
  }
};

std::string fill(std::string_view pattern, const Fields& fields) {
  std::string out;
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if ((c == '{' || c == '}') && pattern.substr(at + 1, 1) == pattern.substr(at, 1)) {
      out += c;
      at += 2;
    } else if (c == '{') {
      const std::size_t end = pattern.find('}', at);
      if (end == pattern.npos) throw fmt::format_error("expected '}' before end of string");
      out += fields.fill(pattern.substr(at + 1, end - at - 1));
      at = end + 1;
    } else if (c == '}') {
      throw fmt::format_error("Single '}' encountered in format string");
    } else {
      out += c;
      ++at;
    }
  }
  return out;
}

}  // namespace

std::string fill_pattern(const std::string& pattern, std::int64_t epoch,
                         const std::optional<std::int64_t>& batch, const Logs& logs) {
  const Fields fields{epoch, batch, logs};
  try {
    return fill(pattern, fields);
  } catch (const fmt::format_error& error) {
    throw ValueError(
        fmt::format("Failed to format this callback filepath: \"{}\". Reason: {}; "
                    "the fields are {}.",
                    pattern, error.what(), fields.names()));
  }
}

}  // namespace lamina::training
