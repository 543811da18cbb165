// Holds the headers against the rule that a name has one definition in a program: two types of one
// name, each in a header of its own, may meet in a program without a word from compiler or linker.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "type_definitions.h"

namespace fs = std::filesystem;
using lamina::testing::definitions_in;

TEST(OneDefinition, IsFoundWhereATypeHasItsBody) {
  const std::string text = R"x(#define SKIPPED struct InMacro { \
    int x; };
// struct InComment {};
namespace a::b {
struct Forward;
template <class T> class Template final : public Base<T> { struct Nested { int x; }; };
template <> struct Template<int> {};
enum class [[nodiscard]] Kind : unsigned char { kOne = '{', kTwo = 1'000 };
inline const char* text() { struct Local {}; return "struct InText {"; }
namespace { struct OfThisFile {}; }
namespace inner { union alignas(8) Either { int i; }; }
struct Template<int>::Outside {};
MADE_BY_A_MACRO(Some, x > 1)
template <class T>
struct BehindAMacro {};
}
struct Global {};
)x";
  EXPECT_THAT(definitions_in(text),
              ::testing::UnorderedElementsAre("a::b::Template", "a::b::Kind", "a::b::BehindAMacro",
                                              "a::b::inner::Either", "Global"));
}

TEST(OneDefinition, OfEveryTypeIsInOneHeader) {
  std::map<std::string, std::set<std::string>> headers;
  const fs::path root = LAMINA_SOURCE_DIR;
  for (const char* folder : {"csrc", "include", "kernels"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".h" && entry.path().extension() != ".cuh") continue;
      std::ifstream stream(entry.path());
      const std::string text(std::istreambuf_iterator<char>(stream), {});
      for (const std::string& name : definitions_in(text)) {
        headers[name].insert(fs::relative(entry.path(), root).string());
      }
    }
  }
  EXPECT_GE(headers.size(), 300U);
  for (const auto& [name, where] : headers) {
    EXPECT_EQ(where.size(), 1U) << name << " in " << ::testing::PrintToString(where);
  }
}
