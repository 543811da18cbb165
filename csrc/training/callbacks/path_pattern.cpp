#include "training/callbacks/path_pattern.h"

#include <fmt/args.h>
#include <fmt/format.h>

namespace lamina::training {

std::string fill_pattern(const std::string& pattern, std::int64_t epoch,
                         const std::optional<std::int64_t>& batch, const Logs& logs) {
  fmt::dynamic_format_arg_store<fmt::format_context> fields;
  std::string known = "epoch";
  fields.push_back(fmt::arg("epoch", epoch));
  if (batch && !logs.contains("batch")) {
    fields.push_back(fmt::arg("batch", *batch));
    known += ", batch";
  }
  for (const auto& [name, value] : logs) {
    fields.push_back(fmt::arg(name.c_str(), value));
    known += ", " + name;
  }
  try {
    return fmt::vformat(pattern, fields);
  } catch (const fmt::format_error& error) {
    throw ValueError(
        fmt::format("Failed to format this callback filepath: \"{}\". Reason: {}; "
                    "the fields are {}.",
                    pattern, error.what(), known));
  }
}

}  // namespace lamina::training
