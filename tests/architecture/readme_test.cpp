// Holds what the README says against what there is.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "layers/config/registry.h"

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = LAMINA_SOURCE_DIR;

std::string content(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The words of the second cell of the table's row that starts with `title`.
std::set<std::string> row(const std::string& title) {
  static const std::regex kWord("\\w+");
  const std::string readme = content(kRoot / "README.md");
  const std::size_t begin = readme.find("\n| " + title + " | ");
  if (begin == std::string::npos) return {};
  const std::size_t cell = begin + title.size() + 6;
  const std::string text = readme.substr(cell, readme.find('\n', cell) - cell);
  return {std::sregex_token_iterator(text.begin(), text.end(), kWord), {}};
}

}  // namespace

TEST(Readme, ShowsTheProgramThatTheInstallTestRuns) {
  const std::string program = content(kRoot / "tests/install/main.cpp");
  ASSERT_FALSE(program.empty());
  EXPECT_NE(content(kRoot / "README.md").find("```cpp\n" + program + "```"), std::string::npos);
}

TEST(Readme, ShowsTheExampleOfSavingWhileTraining) {
  const std::string program = content(kRoot / "csrc/examples/saving_while_training.cpp");
  ASSERT_FALSE(program.empty());
  EXPECT_NE(content(kRoot / "README.md").find("```cpp\n" + program + "```"), std::string::npos);
}

TEST(Readme, ShowsTheExampleOfALayerOfOnesOwn) {
  const std::string program = content(kRoot / "csrc/examples/own_layer.cpp");
  ASSERT_FALSE(program.empty());
  EXPECT_NE(content(kRoot / "README.md").find("```cpp\n" + program + "```"), std::string::npos);
}

TEST(Readme, NamesTheRegisteredLayersAndNoOthers) {
  const auto layers = lamina::layers::registered_layers();
  EXPECT_EQ(row("layers"), std::set<std::string>(layers.begin(), layers.end()));
}

TEST(Readme, NamesTheOperationsAndNoOthers) {
  static const std::regex kFunction("\nSymbolicTensors? (\\w+)\\(");
  const std::string header =
      content(kRoot / "include/lamina/ops.h") + content(kRoot / "include/lamina/ops_nn.h");
  std::set<std::string> names;
  for (std::sregex_iterator it(header.begin(), header.end(), kFunction), end; it != end; ++it) {
    names.insert((*it)[1]);
  }
  EXPECT_GE(names.size(), 60U);
  EXPECT_EQ(row("operations"), names);
}

TEST(Readme, LinksLeadSomewhere) {
  static const std::regex kLink("\\]\\(([^)#:]+)\\)");
  const std::string readme = content(kRoot / "README.md");
  std::size_t links = 0;
  for (std::sregex_iterator it(readme.begin(), readme.end(), kLink), end; it != end;
       ++it, ++links) {
    EXPECT_TRUE(fs::exists(kRoot / (*it)[1].str())) << (*it)[1];
  }
  EXPECT_GE(links, 4U);
}
