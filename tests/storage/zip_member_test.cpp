// Members of archives that others wrote, and archives that are not what they say. What is damaged
// at random: tests/checkpoint/load/archive_test.cpp.
#include "storage/zip_member.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <memory>
#include <string>

#include "tests/fakes/bytes.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::storage {
namespace {

using lamina::testing::TemporaryDirectory;
using lamina::testing::text_of;
using lamina::testing::write_text;

using ::testing::HasSubstr;

constexpr std::uint64_t kMost = 1 << 20;
constexpr const char* kConfig = R"({"class_name": "Sequential", "config": {"layers": []}})";

/// Archives by Python's zipfile: its entries stored or deflated, their sizes and checksums behind
/// them, in ZIP64's fields, and a directory that has them there.
Path archive_of(const std::string& kind) {
  return Path(LAMINA_SOURCE_DIR) / "tests/fuzz/corpus/zip" / (kind + ".zip");
}

constexpr const char* kKinds[] = {"stored", "deflated", "descriptors", "zip64_headers",
                                  "zip64_directory"};

class ZipMembers : public ::testing::Test {
 protected:
  std::string read(const std::string& name = "config.json") {
    return read_member(posix().open(path_), name, kMost);
  }
  /// What reading throws, once `text` is the archive's.
  std::string refusal(const std::string& text) {
    write_text(path_, text);
    try {
      (void)read();
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), HasSubstr(path_.string()));
      return error.what();
    }
    ADD_FAILURE() << "was read";
    return {};
  }

  TemporaryDirectory directory_;
  const Path path_ = directory_ / "m.keras";
  const std::string stored_ = text_of(archive_of("stored"));
};

TEST_F(ZipMembers, OfEveryKindAreRead) {
  for (const char* kind : kKinds) {
    SCOPED_TRACE(kind);
    const std::shared_ptr<const ReadableFile> archive = posix().open(archive_of(kind));
    EXPECT_EQ(read_member(archive, "metadata.json", kMost), "{}");
    EXPECT_EQ(read_member(archive, "config.json", kMost), kConfig);
    EXPECT_THAT(read_member(archive, "model.weights.h5", kMost),
                ::testing::StartsWith("no weights, but bytes: 0123"));
  }
}

// What unpacks itself, or says before the archive what it is.
TEST_F(ZipMembers, OfAnArchiveBetweenOtherBytesAreRead) {
  for (const char* kind : kKinds) {
    SCOPED_TRACE(kind);
    write_text(path_, fmt::format("#!/bin/sh\n{}a comment", text_of(archive_of(kind))));
    EXPECT_EQ(read("metadata.json"), "{}");
    EXPECT_EQ(read(), kConfig);
    EXPECT_THAT(read("model.weights.h5"), ::testing::StartsWith("no weights, but bytes: 0123"));
  }
}

TEST_F(ZipMembers, WhoseBytesAreOthersAreRefused) {
  std::string text = stored_;
  const std::size_t at = text.find("Sequential");
  ASSERT_NE(at, text.npos);
  text[at] = 'X';
  EXPECT_THAT(refusal(text), HasSubstr("Bad CRC-32 for file 'config.json'"));
  EXPECT_EQ(read("metadata.json"), "{}");
}

TEST_F(ZipMembers, WhoseHeadersNameAnotherAreRefused) {
  std::string text = stored_;
  const std::size_t at = text.find("config.json");
  ASSERT_NE(at, text.npos);
  text[at] = 'k';
  EXPECT_THAT(refusal(text), HasSubstr("'config.json' and header differ"));
  text = stored_;
  text[at - 30] = 'k';  // the header's own beginning
  EXPECT_THAT(refusal(text), HasSubstr("Bad magic number for file header of 'config.json'"));
}

TEST_F(ZipMembers, OfADamagedDirectoryAreRefused) {
  const std::size_t directory = stored_.find("PK\x01\x02"), end = stored_.find("PK\x05\x06");
  ASSERT_LT(directory, end);
  std::string text = stored_;
  text[directory + 28] = '\xff';  // the length of a name that goes far beyond the directory
  text[directory + 29] = '\xff';
  EXPECT_THAT(refusal(text), HasSubstr("Truncated central directory"));
  text = stored_;
  text[end + 12] = static_cast<char>(text[end + 12] - 1);  // its length
  EXPECT_THAT(refusal(text), HasSubstr("Bad magic number for central directory"));
  text = stored_;
  text[end + 14] = 1;  // 65536 bytes more than there are
  EXPECT_THAT(refusal(text), HasSubstr("Bad offset for central directory"));
  text = stored_;
  text[end + 16] = static_cast<char>(text[end + 16] - 1);  // where it begins
  EXPECT_THAT(refusal(text), HasSubstr("Bad magic number for file header of 'config.json'"));
  text = text_of(archive_of("zip64_directory"));
  text[text.find("PK\x06\x06")] = 'p';
  EXPECT_THAT(refusal(text), HasSubstr("the archive's end is damaged"));
}

}  // namespace
}  // namespace lamina::storage
