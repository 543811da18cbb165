// Holds the names of the tests: a name says what is so, not what it is about.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

namespace fs = std::filesystem;

namespace {

/// "ABombIsRefused" has four.
std::ptrdiff_t words_in(const std::string& name) {
  static const std::regex kWord("[A-Z][a-z0-9]+|A(?=[A-Z])");
  return std::distance(std::sregex_iterator(name.begin(), name.end(), kWord), {});
}

}  // namespace

TEST(TestNames, AreCountedInCapitalisedWords) {
  EXPECT_EQ(words_in("ABombIsRefused"), 4);
  EXPECT_EQ(words_in("KeysOfAllTypes"), 4);
  EXPECT_EQ(words_in("SoftLinks"), 2);
  EXPECT_EQ(words_in("H5pyLatest"), 2);
}

TEST(TestNames, HaveThreeWordsAtLeast) {
  static const std::regex kTest(R"((?:^|\n)(?:TYPED_)?TEST(?:_F|_P)?\((\w+),\s*(\w+)\))");
  std::size_t tests = 0;
  for (const auto& entry : fs::recursive_directory_iterator(LAMINA_SOURCE_DIR "/tests")) {
    if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
    std::ifstream stream(entry.path());
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    for (std::sregex_iterator it(text.begin(), text.end(), kTest), end; it != end; ++it, ++tests) {
      EXPECT_GE(words_in((*it)[2]), 3) << (*it)[1] << "." << (*it)[2] << " in " << entry.path();
    }
  }
  EXPECT_GE(tests, 1000U);
}
