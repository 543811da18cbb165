#include "checkpoint/index/index.h"

#include <gmock/gmock.h>
#include <lamina/error.h>

#include "checkpoint/names/python_text.h"
#include "core/readable_size.h"

namespace lamina::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  try {
    (void)parse_index(text, "dir/m.weights.json");
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'dir/m.weights.json'"));
    return error.what();
  }
  return "accepted";
}

TEST(Index, OfAModelWithoutVariablesIsAsKerasWritesIt) {
  EXPECT_EQ(index_text({}),
            "{\n    \"metadata\": {\n        \"total_size\": 0\n    },\n    \"weight_map\": {}\n}");
}

TEST(Index, AcceptsStringsAndListsAndExtraKeys) {
  const Index index = parse_index(
      R"({"extra": [{"weight_map": 3}, [[]]], "metadata": {"total_size": 1.0, "weight_map": {"x": 1}},
          "weight_map": {"/a/vars": "m_0.h5", "/b/vars": ["m_0.h5", "m_1.h5", "m_0.h5"], "/c/vars": []},
          "more": null})",
      "m");
  ASSERT_EQ(index.entries.size(), 3u);
  EXPECT_EQ(index.entries[0].path, "/a/vars");
  EXPECT_THAT(index.entries[0].files, ElementsAre("m_0.h5"));
  EXPECT_FALSE(index.entries[0].as_list);
  EXPECT_THAT(index.entries[1].files, ElementsAre("m_0.h5", "m_1.h5"));
  EXPECT_TRUE(index.entries[1].as_list);
  EXPECT_TRUE(index.entries[2].files.empty());
}

TEST(Index, OfTwoEqualKeysTheLastCounts) {
  const Index index = parse_index(
      R"({"weight_map": {"/x/vars": "gone"}, "weight_map": {"/a/vars": "1", "/a/vars": "2"}})",
      "m");
  ASSERT_EQ(index.entries.size(), 1u);
  EXPECT_EQ(index.entries[0].path, "/a/vars");
  EXPECT_THAT(index.entries[0].files, ElementsAre("2"));
}

TEST(Index, RefusesNamesThatLeaveItsDirectory) {
  for (const char* name :
       {"../x.h5", "/etc/passwd", "a/b.h5", "..", ".", "", "a\\\\b.h5", "a\\u0000b"}) {
    SCOPED_TRACE(name);
    const std::string text =
        refusal(R"({"weight_map": {"/a/vars": [")" + std::string(name) + "\"]}}");
    EXPECT_THAT(text, HasSubstr("Invalid name"));
    EXPECT_THAT(text, HasSubstr("/a/vars"));
  }
}

TEST(Index, RefusesWhatIsNoWeightMap) {
  EXPECT_THAT(refusal(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(R"({"weight_map": {)"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("holds a list"));
  EXPECT_THAT(refusal("7"), HasSubstr("holds a number"));
  EXPECT_THAT(refusal("{}"), HasSubstr("no `weight_map`"));
  EXPECT_THAT(refusal(R"({"weight_map": []})"), HasSubstr("`weight_map` that is a list"));
  EXPECT_THAT(refusal(R"({"weight_map": "x"})"), HasSubstr("`weight_map` that is a string"));
  EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": 3}})"),
              HasSubstr("maps '/a/vars' to a number"));
  EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": {}}})"), HasSubstr("to an object"));
  EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": [null]}})"), HasSubstr("to null"));
  EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": [["x"]]}})"),
              HasSubstr("a list within a list"));
  EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": "x"}} trailing)"), HasSubstr("not valid JSON"));
}

TEST(Index, RefusesDepthAndSize) {
  EXPECT_THAT(refusal(R"({"extra": )" + std::string(1'000'000, '[')), HasSubstr("nests deeper"));
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += R"({"weight_map":)";
  EXPECT_THAT(refusal(nested),
              ::testing::AnyOf(HasSubstr("nests deeper"), HasSubstr("to an object")));
  EXPECT_THAT(refusal(std::string(kLargestIndex + 1, ' ')), HasSubstr("larger than any index"));
}

TEST(Index, RefusesMoreEntriesThanAModelHas) {
  std::string text = R"({"weight_map": {)";
  for (int i = 0; i < 300'000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + R"(":"f")";
  EXPECT_THAT(refusal(text + "}}"), HasSubstr("too many entries"));
}

TEST(Index, ReadsItsOwnText) {
  Index index;
  index.any_variable = true;
  index.total_size = 0.375;
  index.entries = {
      {"/vars", {"m_00000.weights.h5"}, false},
      {"/\xe9/vars", {"\xe9_00000.weights.h5"}, false},
      {"/layers/\xc3\xa9 \"q\"/vars", {"m_00000.weights.h5", "m_00001.weights.h5"}, true}};
  const Index read = parse_index(index_text(index), "m");
  ASSERT_EQ(read.entries.size(), 3u);
  for (std::size_t i = 0; i < read.entries.size(); ++i) {
    EXPECT_EQ(read.entries[i].path, index.entries[i].path);
    EXPECT_EQ(read.entries[i].files, index.entries[i].files);
  }
}

TEST(Index, TakesPythonsSurrogatesForTheBytesOfNames) {
  const auto file_of = [](const std::string& name) {
    return parse_index(R"({"weight_map": {"/a/vars": ")" + name + "\"}}", "m").entries[0].files[0];
  };
  EXPECT_EQ(file_of(R"(\udcff\udc80)"), "\xff\x80");
  EXPECT_EQ(file_of(R"(a\uDCC3\u00e9\ud83d\ude00\udce9z)"), "a\xc3\xc3\xa9\xf0\x9f\x98\x80\xe9z");
  EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": "\\udcff"}})"), HasSubstr("Invalid name"));
  for (const char* none :
       {R"(\udc7f)", R"(\udd00)", R"(\ud83d)", R"(\ud83d\ud83d)", R"(\udcf)", R"(\udc)", R"(\u)"}) {
    EXPECT_THAT(refusal(R"({"weight_map": {"/a/vars": ")" + std::string(none) + "\"}}"),
                HasSubstr("not valid JSON"))
        << none;
  }
}

TEST(PythonText, PrintsFloatsAsPythonDoes) {
  EXPECT_EQ(python_float(304), "304.0");
  EXPECT_EQ(python_float(0.375), "0.375");
  EXPECT_EQ(python_float(0), "0.0");
  EXPECT_EQ(python_float(476e6), "476000000.0");
  EXPECT_EQ(python_float(9999999999999998.0), "9999999999999998.0");
  EXPECT_EQ(python_float(1e16), "1e+16");
  EXPECT_EQ(python_float(12345678901234567890.0), "1.2345678901234567e+19");
  EXPECT_EQ(python_float(1.0 / 3), "0.3333333333333333");
}

TEST(PythonText, EscapesJsonAsPythonDoes) {
  EXPECT_EQ(python_json_string("a\"\\\n\t\x01\x7f/"), "\"a\\\"\\\\\\n\\t\\u0001\\u007f/\"");
  EXPECT_EQ(python_json_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\"\\u00e9\\u20ac\\ud83d\\ude00\"");
  EXPECT_EQ(python_json_string("\xff\xc3"), "\"\\udcff\\udcc3\"");
}

TEST(PythonText, WordsSizesAndListsAsKerasDoes) {
  EXPECT_EQ(core::readable_size(128), "128.00 B");
  EXPECT_EQ(core::readable_size(4096), "4.00 KB");
  EXPECT_EQ(core::readable_size(1023.999), "1024.00 B");
  EXPECT_EQ(core::readable_size(3.5 * 1024 * 1024 * 1024), "3.50 GB");
  const std::vector<std::string> names{"kernel", "bias"};
  EXPECT_EQ(python_list(names), "['kernel', 'bias']");
  EXPECT_EQ(python_list({}), "[]");
}

}  // namespace
}  // namespace lamina::checkpoint
