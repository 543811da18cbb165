// Holds every #include of the sources against the table in csrc/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

using Folders = std::set<std::string>;

const fs::path kRoot = LAMINA_SOURCE_DIR;
const std::string kPublic = "../include/lamina";

struct Row {
  Folders direct;  ///< folders named in the last column
  bool all = false;
};
using Table = std::map<std::string, Row>;

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> result;
  std::stringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) result.push_back(cell);
  return result;
}

std::vector<std::string> words_in(const std::string& cell, const std::regex& word) {
  std::vector<std::string> result;
  for (std::sregex_iterator it(cell.begin(), cell.end(), word), end; it != end; ++it) {
    result.push_back((*it)[1]);
  }
  return result;
}

/// folder -> what its row of the table allows.
Table read_table() {
  static const std::regex kFolder("`([^`]+)`"), kName("([a-z0-9_]+(?:/[a-z0-9_]+)*)");
  Table table;
  std::ifstream readme(kRoot / "csrc/README.md");
  for (std::string line; std::getline(readme, line);) {
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> row = cells(line);
    Row allowed;
    if (row.at(2).find("public headers") == std::string::npos) {
      for (const std::string& name : words_in(row[2], kName)) {
        if (name == "all") allowed.all = true;
        if (name != "all" && name != "itself")
          allowed.direct.insert(name == "kernels" ? "../kernels" : name);
      }
    }
    for (const std::string& folder : words_in(row[0], kFolder)) table[folder] = allowed;
  }
  return table;
}

bool lies_in(const std::string& folder, const std::string& parent) {
  return folder.starts_with(parent + "/");
}

/// True when the row of `from` lets it include `to`: a folder's name stands for the folders in it
/// as well, but not in the rows of these.
bool allows(const Row& row, const std::string& from, const std::string& to) {
  if (row.all || row.direct.contains(to)) return true;
  return std::any_of(row.direct.begin(), row.direct.end(), [&](const std::string& name) {
    return lies_in(to, name) && !lies_in(from, name);
  });
}

/// What `folder` may include: itself, the public headers, and what its row reaches.
Folders reachable(const Table& table, const std::string& folder) {
  Folders seen = {folder, kPublic};
  std::vector<std::string> todo = {folder};
  while (!todo.empty()) {
    const std::string from = todo.back();
    todo.pop_back();
    for (const auto& [name, unused] : table) {
      if (allows(table.at(from), from, name) && seen.insert(name).second) todo.push_back(name);
    }
  }
  return seen;
}

/// The innermost folder of the table that holds this file of csrc; empty: none.
std::string owner_of(const Table& table, std::string file) {
  for (std::size_t slash; (slash = file.rfind('/')) != std::string::npos;) {
    file.resize(slash);
    if (table.contains(file)) return file;
  }
  return {};
}

/// The folder of the table that an include belongs to; empty: none of ours.
std::string folder_of(const Table& table, const std::string& include) {
  if (include.starts_with("lamina/")) return kPublic;
  if (include.starts_with("kernels/")) return "../kernels";
  return owner_of(table, include);
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".h", ".cpp", ".cu", ".cuh", ".def"};
  return kExtensions.contains(path.extension().string());
}

std::vector<std::string> includes_of(const fs::path& file) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*["<]([^">]+)[">])re");
  std::vector<std::string> result;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (std::smatch match; std::regex_search(line, match, kInclude)) result.push_back(match[1]);
  }
  return result;
}

template <class F>
void for_each_include(const fs::path& folder, F&& f) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    for (const std::string& include : includes_of(entry.path())) {
      f(fs::relative(entry.path(), kRoot).string(), include);
    }
  }
}

}  // namespace

TEST(IncludeTable, NamesEveryFolderOfTheSourceTree) {
  const auto table = read_table();
  ASSERT_GE(table.size(), 10U);
  const auto expect_rows = [&](const std::string& parent) {
    for (const auto& entry : fs::directory_iterator(kRoot / "csrc" / parent)) {
      if (!entry.is_directory()) continue;
      const fs::path folder = fs::relative(entry.path(), kRoot / "csrc");
      EXPECT_TRUE(table.contains(folder.string())) << folder << " has no row";
    }
  };
  expect_rows("");
  Folders parents;  // of folders that have rows: all that lie there have one
  for (const auto& [folder, row] : table) {
    if (!folder.starts_with("..")) parents.insert(fs::path(folder).parent_path().string());
  }
  for (const std::string& parent : parents) expect_rows(parent);
  for (const auto& [folder, row] : table) {
    EXPECT_TRUE(fs::is_directory(kRoot / "csrc" / folder)) << folder << " is no folder";
    for (const std::string& name : row.direct) {
      EXPECT_TRUE(table.contains(name))
          << folder << " may include '" << name << "', which has no row";
    }
  }
}

TEST(IncludeTable, AllowsNoCycle) {
  const auto table = read_table();
  for (const auto& [folder, row] : table) {
    for (const auto& [name, unused] : table) {
      if (row.all || !allows(row, folder, name)) continue;
      EXPECT_FALSE(reachable(table, name).contains(folder)) << folder << " <-> " << name;
    }
  }
}

TEST(IncludeTable, IsKeptByEverySource) {
  const auto table = read_table();
  std::size_t checked = 0;
  for (const auto& [folder, row] : table) {
    const fs::path path = (kRoot / "csrc" / folder).lexically_normal();
    const Folders allowed = reachable(table, folder);
    for_each_include(path, [&](const std::string& file, const std::string& include) {
      const std::string target = folder_of(table, include);
      const bool in_a_deeper_row =
          file.starts_with("csrc/") && owner_of(table, file.substr(5)) != folder;
      if (target.empty() || in_a_deeper_row) return;
      ++checked;
      EXPECT_TRUE(allowed.contains(target)) << file << " includes " << include;
    });
  }
  EXPECT_GE(checked, 1000U);
}

TEST(IncludeTable, EveryHeaderIsReadOnce) {
  std::size_t checked = 0;
  for (const char* folder : {"csrc", "include", "kernels", "tests", "bench"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.path().extension() != ".h") continue;
      std::ifstream header(entry.path());
      bool once = false;
      for (std::string line; !once && std::getline(header, line);) once = line == "#pragma once";
      EXPECT_TRUE(once) << entry.path();
      ++checked;
    }
  }
  EXPECT_GE(checked, 100U);
}

TEST(IncludeTable, PublicHeadersNeedOnlyTheStandardLibrary) {
  static const std::regex kStandard("[a-z_]+");
  for_each_include(
      kRoot / "include/lamina", [](const std::string& file, const std::string& include) {
        EXPECT_TRUE(include.starts_with("lamina/") || std::regex_match(include, kStandard))
            << file << " includes " << include;
      });
}

TEST(IncludeTable, EveryIncludeOfOursExists) {
  const auto table = read_table();
  for (const char* folder : {"csrc", "include", "kernels"}) {
    for_each_include(kRoot / folder, [&](const std::string& file, const std::string& include) {
      const std::string target = folder_of(table, include);
      if (target.empty()) return;
      const fs::path base = target == kPublic ? "include" : target == "../kernels" ? "." : "csrc";
      EXPECT_TRUE(fs::exists(kRoot / base / include)) << file << " includes " << include;
    });
  }
}
