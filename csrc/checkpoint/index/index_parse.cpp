#include <lamina/error.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "checkpoint/index/index.h"
#include "checkpoint/names/paths.h"
#include "checkpoint/names/python_text.h"
#include "storage/text_file.h"

namespace lamina::checkpoint {
namespace {

using nlohmann::json;

constexpr std::size_t kDeepest = 64;
constexpr std::size_t kMostEntries = std::size_t{1} << 18;
constexpr std::size_t kMostReferences = std::size_t{1} << 20;

/// A stranger's text in a message: printable, and no longer than a path.
std::string shown(std::string_view text) {
  std::string out = python_json_string(text.substr(0, 200));
  out.front() = out.back() = '\'';
  return out;
}

// Python stands for a byte of a name that is no UTF-8 by a lone surrogate, "\udcff" for
// 0xff, which the parser takes for an error. On the way through it such a byte is the code point of
// its number behind a zero, which no name has.
constexpr std::string_view kByteMark = "\\u0000\\u00";

std::optional<unsigned> escaped_unit(std::string_view text) {
  constexpr std::size_t kDigits = 4;
  unsigned unit = 0;
  if (text.size() < 2 + kDigits || !text.starts_with("\\u")) return {};
  const char* end = text.data() + 2 + kDigits;
  if (std::from_chars(text.data() + 2, end, unit, 16).ptr != end) return {};
  return unit;
}

std::string with_bytes_marked(std::string_view text) {
  constexpr std::size_t kEscape = 6;
  std::string out;
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    const std::optional<unsigned> unit = escaped_unit(text);
    std::size_t length = unit ? kEscape : std::min<std::size_t>(2, text.size());
    if (unit && *unit >= 0xd800 && *unit <= 0xdbff && escaped_unit(text.substr(kEscape)))
      length += kEscape;
    if (unit && *unit >= 0xdc80 && *unit <= 0xdcff) {
      out.append(kByteMark).append(text.substr(kEscape - 2, 2));
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string with_bytes(std::string_view parsed) {
  std::string out;
  for (std::size_t at = 0; at < parsed.size(); ++at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(parsed[at + i]); };
    // U+0080 to U+00FF have two bytes.
    if (byte(0) == 0 && parsed.size() - at > 2 && (byte(1) == 0xc2 || byte(1) == 0xc3)) {
      out += static_cast<char>((byte(1) & 3) << 6 | (byte(2) & 0x3f));
      at += 2;
    } else {
      out += parsed[at];
    }
  }
  return out;
}

/// Takes the weight map out of the parser's events and ignores the rest, so that a hostile text
/// costs no tree.
class Handler {
 public:
  explicit Handler(std::string source) : source_(std::move(source)) {}

  bool null() { return scalar("null"); }
  bool boolean(bool) { return scalar("a boolean"); }
  bool number_integer(json::number_integer_t) { return scalar("a number"); }
  bool number_unsigned(json::number_unsigned_t) { return scalar("a number"); }
  bool number_float(json::number_float_t, const std::string&) { return scalar("a number"); }
  bool binary(json::binary_t&) { return scalar("binary data"); }

  bool string(std::string& value) {
    if (depth_ == 2 && in_map_) {
      add_file(value);
    } else if (depth_ == 3 && in_list_) {
      entry_->as_list = true;
      add_file(value);
    } else {
      return scalar("a string");
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (depth_ >= 2 && in_map_) refuse_value("an object");
    enter();
    if (depth_ == 2 && key_is_map_) {
      in_map_ = found_map_ = true;
      index_.entries.clear();  // of two maps the last counts, as in Python
      positions_.clear();
    }
    return true;
  }

  bool key(std::string& value) {
    if (depth_ == 1) key_is_map_ = value == "weight_map";
    if (depth_ == 2 && in_map_) begin_entry(with_bytes(value));
    return true;
  }

  bool end_object() {
    if (depth_ == 2) in_map_ = false;
    --depth_;
    return true;
  }

  bool start_array(std::size_t) {
    if (depth_ == 0) fail("holds a list where an object was expected");
    if (depth_ == 1 && key_is_map_) fail("holds a `weight_map` that is a list");
    if (depth_ == 3 && in_list_) refuse_value("a list within a list");
    enter();
    if (depth_ == 3 && in_map_) {
      in_list_ = true;
      entry_->as_list = true;
    }
    return true;
  }

  bool end_array() {
    if (depth_ == 3) in_list_ = false;
    --depth_;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) {
    fail(std::string("is not valid JSON: ") + error.what());
  }

  Index take() {
    if (!found_map_) fail("has no `weight_map`");
    return std::move(index_);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError("The index '" + source_ + "' " + what + ".");
  }

 private:
  void enter() {
    if (++depth_ > kDeepest) fail("nests deeper than " + std::to_string(kDeepest) + " levels");
  }

  bool scalar(const char* what) {
    if (depth_ == 0) fail(std::string("holds ") + what + " where an object was expected");
    if (depth_ == 1 && key_is_map_) fail(std::string("holds a `weight_map` that is ") + what);
    if (in_map_) refuse_value(what);
    return true;
  }

  [[noreturn]] void refuse_value(const char* what) const {
    fail("maps " + shown(entry_ ? entry_->path : "") + " to " + what +
         " where a file name or a list of them was expected");
  }

  void begin_entry(const std::string& path) {
    const auto [at, fresh] = positions_.emplace(path, index_.entries.size());
    if (fresh) {
      if (index_.entries.size() == kMostEntries) fail("has too many entries");
      index_.entries.push_back({path, {}, false});
    }
    entry_ = &index_.entries[at->second];
    entry_->files.clear();
    entry_->as_list = false;
    ++generation_;
  }

  void add_file(const std::string& parsed) {
    const std::string name = with_bytes(parsed);
    check_name(name);
    std::size_t& seen = last_seen_[name];
    if (last_seen_.size() > kMostFiles) fail("names too many files");
    if (seen == generation_) return;
    seen = generation_;
    if (++references_ > kMostReferences) fail("has too many entries");
    entry_->files.push_back(name);
  }

  void check_name(const std::string& name) const {
    if (name.size() > kLongestName) {
      fail("names a shard for " + shown(entry_->path) + " of " + std::to_string(name.size()) +
           " bytes, longer than a file's name can be");
    }
    const bool plain = !name.empty() && name != "." && name != ".." &&
                       name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
    if (!plain) {
      fail("names a shard for " + shown(entry_->path) + ": Invalid name " + shown(name) +
           ", a shard lies beside its index");
    }
  }

  std::string source_;
  Index index_;
  IndexEntry* entry_ = nullptr;
  std::unordered_map<std::string, std::size_t> positions_;
  std::unordered_map<std::string, std::size_t> last_seen_;
  std::size_t generation_ = 0;
  std::size_t references_ = 0;
  std::size_t depth_ = 0;
  bool key_is_map_ = false;
  bool in_map_ = false;
  bool in_list_ = false;
  bool found_map_ = false;
};

}  // namespace

std::string read_index(const std::filesystem::path& path, storage::Storage& storage) {
  return storage::read_text(path, storage, kLargestIndex, "index");
}

Index parse_index(std::string_view text, const std::string& source) {
  Handler handler(source);
  if (text.size() > kLargestIndex) handler.fail("is larger than any index can be");
  json::sax_parse(with_bytes_marked(text), &handler);
  return handler.take();
}

}  // namespace lamina::checkpoint
