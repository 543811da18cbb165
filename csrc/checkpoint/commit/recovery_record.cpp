#include "checkpoint/commit/recovery_record.h"

#include <fmt/format.h>
#include <lamina/error.h>
#include <zlib.h>

#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/names/paths.h"
#include "storage/text_file.h"

namespace lamina::checkpoint {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1, kNamedVersion = 2;
constexpr std::size_t kLargest = std::size_t{2} << 20;       // all shards of two indices
constexpr std::size_t kLargestFile = std::size_t{16} << 20;  // of one that is torn, too
constexpr const char* kIndex = "index";
constexpr std::string_view kShardEnd = ".weights.h5";

std::string checksum_line(std::string_view line) {
  const auto* bytes = reinterpret_cast<const Bytef*>(line.data());
  return fmt::format("crc32 {:08x}\n", ::crc32_z(0, bytes, line.size()));
}

/// "00002" for the shard "model_00002.weights.h5".
std::string short_name(const std::string& file, const std::string& name) {
  if (file == name) return kIndex;
  const std::size_t begin = shard_base(name).size() + 1;
  return file.substr(begin, file.size() - begin - kShardEnd.size());
}

std::string full_name(const std::string& text, const std::string& name) {
  if (text == kIndex) return name;
  const std::string base = shard_base(name);
  std::string file = fmt::format("{}_{}{}", base, text, kShardEnd);
  if (!is_shard_name(file, base)) throw FormatError("a file that is not the checkpoint's own");
  return file;
}

Json to_json(const std::vector<std::string>& files, const std::string& name) {
  Json out = Json::array();
  for (const std::string& file : files) out.push_back(short_name(file, name));
  return out;
}

std::vector<std::string> from_json(const Json& texts, const std::string& name) {
  std::vector<std::string> out;
  for (const Json& text : texts) out.push_back(full_name(text.get<std::string>(), name));
  return out;
}

/// True when the record of the checkpoint `name` is called by its stand-in.
bool is_named(const std::string& name) {
  return !record_file(name).starts_with(name);
}

/// A name may hold any bytes, JSON text UTF-8 alone: each byte is the code point of its number.
std::string widened(std::string_view name) {
  std::string out;
  for (const unsigned char byte : name) {
    if (byte >= 0x80) out += static_cast<char>(0xc0 | byte >> 6);
    out += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3f));
  }
  return out;
}

/// Throws FormatError for other code points.
std::string narrowed(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto unit = static_cast<unsigned char>(text[i]);
    if (unit < 0x80) {
      out += text[i];
    } else if ((unit == 0xc2 || unit == 0xc3) && i + 1 < text.size()) {
      out += static_cast<char>((unit & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      throw FormatError("a name of other characters than bytes");
    }
  }
  return out;
}

/// The checkpoint's name: `found`, or that of which `found` is the stand-in.
std::string name_in(const Json& json, const std::string& found) {
  const Json& version = json.at("version");
  if (version == kVersion && !is_named(found)) return found;
  if (version != kNamedVersion) throw FormatError("a version that is not known here");
  std::string name = narrowed(json.at("name").get<std::string>());
  if (!is_named(name) || record_file(name) != record_file(found) || name.find('/') != name.npos ||
      name.size() > kLongestName) {
    throw FormatError("a checkpoint of another name");
  }
  return name;
}

RecoveryRecord parse_line(std::string_view line, const std::string& found) {
  if (line.size() > kLargest) throw FormatError("more text than any save has to say");
  const Json json = Json::parse(line);
  RecoveryRecord out;
  out.name = name_in(json, found);
  json.at("save").get_to(out.save);
  if (!is_save_name(out.save)) throw FormatError("an id that no save has");
  const auto copy = json.at("copy").get<std::string>();
  if (copy != "new" && copy != "old") throw FormatError("copies that are neither new nor old");
  out.copy = copy == "new" ? HiddenCopy::kNew : HiddenCopy::kOld;
  out.replace = from_json(json.at("replace"), out.name);
  out.remove = from_json(json.at("remove"), out.name);
  std::set<std::string_view> seen(out.replace.begin(), out.replace.end());
  seen.insert(out.remove.begin(), out.remove.end());
  if (seen.size() != out.replace.size() + out.remove.size())
    throw FormatError("a file named twice");
  return out;
}

}  // namespace

std::string record_text(const RecoveryRecord& record, const std::string& name) {
  Json json{{"version", is_named(name) ? kNamedVersion : kVersion},
            {"save", record.save},
            {"copy", record.copy == HiddenCopy::kNew ? "new" : "old"},
            {"replace", to_json(record.replace, name)},
            {"remove", to_json(record.remove, name)}};
  if (is_named(name)) json["name"] = widened(name);
  const std::string line = json.dump() + "\n";
  return line + checksum_line(line);
}

std::optional<RecoveryRecord> parse_record(std::string_view text, const std::string& name,
                                           const std::string& source) {
  const std::size_t end = text.find('\n');
  if (end == text.npos) return {};
  const std::string_view line = text.substr(0, end + 1);
  if (text.substr(end + 1) != checksum_line(line)) return {};
  try {
    return parse_line(line, name);
  } catch (const std::exception& error) {
    throw FormatError(fmt::format(
        "The recovery record '{}' cannot be followed ({}); nothing was changed. If nobody needs "
        "what it stands for, remove it.",
        source, error.what()));
  }
}

std::optional<RecoveryRecord> read_record(const CheckpointPlace& place, storage::Storage& storage) {
  const std::filesystem::path file = place.record();
  try {
    return parse_record(storage::read_text(file, storage, kLargestFile, "recovery record"),
                        place.name, file.string());
  } catch (const FileNotFoundError&) {
    return {};
  }
}

}  // namespace lamina::checkpoint
