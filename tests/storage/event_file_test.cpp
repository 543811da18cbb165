#include "storage/event_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <cmath>
#include <random>

#include "tests/fakes/event_reader.h"
#include "tests/fakes/file_size_limit.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::storage {
namespace {

using lamina::testing::event_files;
using lamina::testing::FileSizeLimit;
using lamina::testing::read_event_file;
using lamina::testing::Scalar;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    out += kDigits[static_cast<std::uint8_t>(byte) >> 4];
    out += kDigits[static_cast<std::uint8_t>(byte) & 15];
  }
  return out;
}

// What tensorboard 2.21 makes of the same: compat/proto's classes, and the checksums of its stub.
TEST(EventFile, FramesAnEventAsTensorBoardDoes) {
  const std::string event = scalar_event("epoch_loss", 0.625, 300, 1764424000.25);
  EXPECT_EQ(
      hex(event),
      "0900001050be4ada4110ac022a290a270a0a65706f63685f6c6f7373420a0801120022040000203f4a0d0a09"
      "0a077363616c6172732001");
  EXPECT_EQ(hex(event_record(event)), "3700000000000000e7e8ca59" + hex(event) + "5a98d310");
}

TEST(EventFile, HoldsWhatWasAddedAtOnce) {
  std::mt19937 random(lamina::test::fresh_seed());
  const TemporaryDirectory scratch;
  EventFile file(scratch / "logs/train");
  EXPECT_TRUE(read_event_file(file.path()).empty());
  std::vector<Scalar> added;
  for (const std::int64_t step :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{127}, std::int64_t{128},
        std::int64_t{1} << 40, static_cast<std::int64_t>(random())}) {
    const auto value = static_cast<float>(random()) / 1e6F;
    added.push_back({"batch_" + std::string(random() % 300, 'x'), step, value});
    file.add_scalar(added.back().tag, value, step);
    EXPECT_EQ(read_event_file(file.path()), added);
  }
}

TEST(EventFile, HoldsNumbersThatAreNone) {
  const TemporaryDirectory scratch;
  EventFile file(scratch.path());
  file.add_scalar("a", NAN, 1);
  file.add_scalar("b", -INFINITY, 2);
  const auto read = read_event_file(file.path());
  ASSERT_EQ(read.size(), 2U);
  EXPECT_TRUE(std::isnan(read[0].value));
  EXPECT_EQ(read[1].value, -INFINITY);
}

TEST(EventFile, IsANewOneEachTime) {
  const TemporaryDirectory scratch;
  EventFile first(scratch.path()), second(scratch.path());
  first.add_scalar("first", 1, 0);
  second.add_scalar("second", 2, 0);
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(event_files(scratch.path()).size(), 2U);
  EXPECT_THAT(read_event_file(first.path()), ElementsAre(Scalar{"first", 0, 1}));
  EXPECT_THAT(read_event_file(second.path()), ElementsAre(Scalar{"second", 0, 2}));
}

TEST(EventFile, SaysWhereItCannotWrite) {
  const TemporaryDirectory scratch;
  { const Descriptor file(::open((scratch / "file").c_str(), O_CREAT | O_WRONLY, 0600)); }
  const auto message = [](const auto& f) -> std::string {
    try {
      f();
    } catch (const StorageError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(message([&] { const EventFile none(scratch / "file/train"); }),
              HasSubstr((scratch / "file/train").string()));
  EventFile file(scratch / "train");
  const FileSizeLimit full(std::filesystem::file_size(file.path()));
  EXPECT_THAT(message([&] { file.add_scalar("a", 1, 1); }), HasSubstr(file.path().string()));
}

}  // namespace
}  // namespace lamina::storage
