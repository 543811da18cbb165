#include "checkpoint/index/index.h"
#include "checkpoint/names/python_text.h"

namespace lamina::checkpoint {
namespace {

void append_files(std::string& out, const IndexEntry& entry) {
  if (!entry.as_list) {
    out += python_json_string(entry.files.front());
    return;
  }
  out += "[";
  for (const std::string& file : entry.files) {
    out += &file == entry.files.data() ? "\n" : ",\n";
    out += "            " + python_json_string(file);
  }
  out += "\n        ]";
}

}  // namespace

std::string index_text(const Index& index, std::string_view more) {
  std::string out = "{\n    \"metadata\": {\n        \"total_size\": ";
  out += index.any_variable ? python_float(index.total_size) : "0";
  out += more;
  out += "\n    },\n    \"weight_map\": {";
  for (const IndexEntry& entry : index.entries) {
    out += &entry == index.entries.data() ? "\n        " : ",\n        ";
    out += python_json_string(entry.path) + ": ";
    append_files(out, entry);
  }
  out += index.entries.empty() ? "}\n}" : "\n    }\n}";
  return out;
}

}  // namespace lamina::checkpoint
