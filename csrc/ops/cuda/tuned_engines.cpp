#include "ops/cuda/tuned_engines.h"

#include <fmt/format.h>
#include <lamina/log.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>

#include "core/crc32c.h"

namespace lamina::ops::cuda {
namespace {

namespace fs = std::filesystem;

// A line that says what this is, a line for each entry, and a line with the checksum of those
// before it.
constexpr std::string_view kTitle = "lamina engines 1\n";
constexpr std::string_view kChecksum = "crc32c ";

std::string word(std::string text) {
  for (char& c : text) {
    if (c == '\t' || c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

std::string key_of(const std::string& where, const std::string& op) {
  return word(where) + '\t' + word(op);
}

std::string checksum_line(std::string_view text) {
  return fmt::format("{}{:08x}\n", kChecksum, core::crc32c(std::as_bytes(std::span(text))));
}

std::string text_of(const std::map<std::string, std::string>& table) {
  std::string text(kTitle);
  for (const auto& [key, engine] : table) text += key + '\t' + engine + '\n';
  return text + checksum_line(text);
}

/// Nothing where the text is not whole.
std::optional<std::map<std::string, std::string>> table_of(std::string_view text) {
  const std::size_t entries = kTitle.size(), checksum = text.rfind(kChecksum);
  if (checksum == std::string_view::npos || checksum < entries) return std::nullopt;
  if (text.substr(checksum) != checksum_line(text.substr(0, checksum))) return std::nullopt;
  std::map<std::string, std::string> table;
  for (std::size_t at = entries; at < checksum;) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    const std::size_t tab = line.rfind('\t');
    if (tab == std::string_view::npos) return std::nullopt;
    table.emplace(line.substr(0, tab), line.substr(tab + 1));
    at += line.size() + 1;
  }
  return table;
}

/// Of this process and moment alone.
fs::path beside(const fs::path& file) {
  static std::atomic<unsigned> count = 0;
  fs::path out = file;
  out += fmt::format(".{}.{}", ::getpid(), count++);
  return out;
}

/// Why the text could not be put in the file's place, or nothing.
std::string replace(const fs::path& file, const std::string& text) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) return error.message();
  const fs::path made = beside(file);
  errno = 0;
  std::ofstream out(made, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  std::string problem;
  if (!out) problem = errno != 0 ? std::strerror(errno) : "it could not be written";
  if (problem.empty()) {
    fs::rename(made, file, error);
    if (error) problem = error.message();
  }
  if (!problem.empty()) fs::remove(made, error);
  return problem;
}

fs::path from_environment(const char* name) {
  const char* given = std::getenv(name);
  fs::path path = given == nullptr ? "" : given;
  return path.is_absolute() ? path : fs::path();
}

}  // namespace

TunedEngines::TunedEngines(fs::path file) : file_(std::move(file)), table_(read()) {}

std::optional<std::string> TunedEngines::find(const std::string& where,
                                              const std::string& op) const {
  const auto found = table_.find(key_of(where, op));
  if (found == table_.end()) return std::nullopt;
  return found->second;
}

void TunedEngines::keep(const std::string& where, const std::string& op,
                        const std::string& engine) {
  table_[key_of(where, op)] = word(engine);
  if (file_.empty()) return;
  Table all = read();
  if (file_.empty()) return;  // it has become another's
  all[key_of(where, op)] = word(engine);
  write(all);
}

TunedEngines::Table TunedEngines::read() {
  if (file_.empty()) return {};
  std::ifstream in(file_, std::ios::binary);
  if (!in) return {};
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  // An empty one is what a machine that stopped may leave.
  if (!text.empty() && !text.starts_with(kTitle)) {
    warn(
        fmt::format("{} is not a table of engines of this version of Lamina: it is neither read "
                    "nor changed, and what is measured is not kept.",
                    file_.string()));
    file_.clear();
    return {};
  }
  std::optional<Table> table = table_of(text);
  if (table) return std::move(*table);
  warn(fmt::format("{} is damaged: the engines in it are measured again.", file_.string()));
  return {};
}

void TunedEngines::write(const Table& table) {
  const std::string problem = replace(file_, text_of(table));
  if (problem.empty()) return;
  warn(fmt::format("What was measured is not kept: {}: {}.", file_.string(), problem));
  file_.clear();
}

fs::path tuned_engines_file(const fs::path& directory) {
  constexpr const char* kName = "engines.txt";
  if (!directory.empty()) return directory / kName;
  if (const fs::path cache = from_environment("XDG_CACHE_HOME"); !cache.empty()) {
    return cache / "lamina" / kName;
  }
  const fs::path home = from_environment("HOME");
  return home.empty() ? fs::path() : home / ".cache" / "lamina" / kName;
}

}  // namespace lamina::ops::cuda
