#include "storage/zip_member.h"

#include <gmock/gmock.h>
#include <lamina/error.h>
#include <zip.h>

#include <cstring>

#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/trees.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

using lamina::testing::poisoned_copy;
using lamina::testing::random_tensor;
using lamina::testing::same_values;
using lamina::testing::snapshot;
using lamina::testing::TemporaryDirectory;
using lamina::testing::text_of;
using lamina::testing::TreeBuilder;
using lamina::testing::write_text;
using ::testing::HasSubstr;

constexpr const char* kMember = "model.weights.h5";

constexpr const char* kEarlier = "model.weights.h0";

/// An archive as `model.save` makes one, with the member stored (as Keras does) or deflated, and
/// behind another one that is `earlier`, if that is not empty.
void make_archive(const std::filesystem::path& path, const std::string& member, bool deflated,
                  const char* name = kMember, const std::string& earlier = {}) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  const auto add = [&](const char* entry, const std::string& bytes, bool shrink) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t at = zip_file_add(archive, entry, source, 0);
    ASSERT_GE(at, 0);
    ASSERT_EQ(zip_set_file_compression(archive, at, shrink ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0), 0);
  };
  const std::string metadata = "{}";
  add("metadata.json", metadata, false);
  if (!earlier.empty()) add(kEarlier, earlier, deflated);
  add(name, member, deflated);
  ASSERT_EQ(zip_close(archive), 0);
}

class Archives : public ::testing::TestWithParam<bool> {
 protected:
  Archives() {
    builder_.layer("layers/dense", "dense",
                   {random_tensor(random_, {300, 70}, DType::kFloat32),
                    random_tensor(random_, {70}, DType::kBFloat16)});
    save(builder_.tree, directory_ / "m.weights.h5", {});
    member_ = text_of(directory_ / "m.weights.h5");
    make_archive(directory_ / "m.keras", member_, GetParam());
    archive_ = text_of(directory_ / "m.keras");
  }

  /// The error of a load, which must leave the model as it was; nothing when it loads, which must
  /// give the values that were saved.
  std::string refusal() {
    const auto copy = poisoned_copy(builder_.tree);
    const auto before = snapshot(copy);
    try {
      load(copy, directory_ / "m.keras", {});
    } catch (const Error& error) {
      EXPECT_TRUE(same_values(snapshot(copy), before));
      EXPECT_THAT(error.what(), HasSubstr((directory_ / "m.keras").string()));
      return error.what();
    }
    EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder_.tree)));
    return {};
  }

  TemporaryDirectory directory_{lamina::testing::memory_directory()};
  std::mt19937 random_{lamina::test::fresh_seed()};
  TreeBuilder builder_;
  std::string member_, archive_;
};

TEST_P(Archives, GiveTheWeightsWithin) {
  const auto copy = poisoned_copy(builder_.tree);
  load(copy, directory_ / "m.keras", {});
  EXPECT_TRUE(same_values(snapshot(copy), snapshot(builder_.tree)));
}

TEST_P(Archives, GiveTheMembersBytes) {
  const storage::ZipMember member =
      storage::open_member(storage::posix().open(directory_ / "m.keras"), kMember);
  ASSERT_EQ(member.size, member_.size());
  std::string bytes(member.size, '\0');
  member.file->read_at(member.base, std::as_writable_bytes(std::span(bytes)));
  EXPECT_EQ(bytes, member_);
}

// Python's zipfile changes a member so: the new one is appended, and the old one stays.
TEST_P(Archives, OfTwoMembersOfOneNameGiveTheLast) {
  make_archive(directory_ / "m.keras", member_, GetParam(), kMember, "not these weights");
  std::string changed = text_of(directory_ / "m.keras");
  const std::string earlier = kEarlier;
  for (std::size_t at = changed.find(earlier); at != changed.npos; at = changed.find(earlier)) {
    changed.replace(at, earlier.size(), kMember);
  }
  write_text(directory_ / "m.keras", changed);
  EXPECT_EQ(refusal(), "");
}

TEST_P(Archives, WithoutTheMemberAreRefused) {
  make_archive(directory_ / "m.keras", member_, GetParam(), "model.weights.npz");
  EXPECT_THAT(refusal(), HasSubstr("There is no item named 'model.weights.h5' in the archive"));
}

TEST_P(Archives, CutAnywhereAreRefused) {
  for (std::size_t size = 0; size < archive_.size(); size += 499) {
    write_text(directory_ / "m.keras", archive_.substr(0, size));
    EXPECT_NE(refusal(), "") << size;
  }
}

TEST_P(Archives, WithDamagedBytesAreRefusedOrGiveTheRightValues) {
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = archive_;
    // The directory at the end is where damage does most.
    const std::size_t from = round % 2 == 0 ? 0 : damaged.size() - 200;
    damaged[from + random_() % (damaged.size() - from)] ^= static_cast<char>(1 + random_() % 255);
    write_text(directory_ / "m.keras", damaged);
    refused += !refusal().empty();
  }
  // Half of the rounds change the member, all of whose bytes its seal or the archive's CRC covers.
  EXPECT_GT(refused, 100);
}

TEST_P(Archives, ThatAreEncryptedOrPackedOtherwiseAreRefused) {
  const std::size_t central = archive_.rfind(std::string("PK\x01\x02"));
  std::string changed = archive_;
  changed[central + 8] |= 1;
  write_text(directory_ / "m.keras", changed);
  EXPECT_THAT(refusal(), HasSubstr("encrypted"));
  changed = archive_;
  changed[central + 10] = 14;  // LZMA
  write_text(directory_ / "m.keras", changed);
  EXPECT_THAT(refusal(), HasSubstr("compressed in an unsupported way"));
}

TEST_P(Archives, ThatLieAboutASizeAreRefused) {
  const std::size_t central = archive_.rfind(std::string("PK\x01\x02"));
  for (const int change : {-1, 1}) {
    std::string changed = archive_;
    std::uint32_t size = 0;
    std::memcpy(&size, &changed[central + 24], 4);
    size += change;
    std::memcpy(&changed[central + 24], &size, 4);
    write_text(directory_ / "m.keras", changed);
    EXPECT_NE(refusal(), "") << change;
  }
}

// More than there is memory for: what the archive does not hold is not made room for.
TEST_P(Archives, ThatClaimMoreThanTheyHoldAreRefused) {
  const std::size_t central = archive_.rfind(std::string("PK\x01\x02"));
  const std::size_t end = archive_.rfind(std::string("PK\x05\x06"));
  std::string changed = archive_;
  const auto put = [&](std::size_t at, auto value) {
    std::memcpy(&changed[at], &value, sizeof value);
  };
  const auto add = [&](std::size_t at, auto more) {
    auto value = more;
    std::memcpy(&value, &changed[at], sizeof value);
    value = static_cast<decltype(more)>(value + more);
    put(at, value);
  };
  put(central + 20, ~std::uint32_t{0});
  put(central + 24, ~std::uint32_t{0});
  std::uint16_t name_bytes = 0;
  std::memcpy(&name_bytes, &changed[central + 28], 2);
  constexpr std::size_t kExtra = 20;  // ZIP64: the sizes, of the bytes and as they are stored
  add(central + 30, std::uint16_t{kExtra});
  add(end + 12, std::uint32_t{kExtra});
  const std::size_t extra = central + 46 + name_bytes;
  changed.insert(extra, kExtra, '\0');
  put(extra, std::uint16_t{1});
  put(extra + 2, std::uint16_t{kExtra - 4});
  put(extra + 4, std::uint64_t{1} << 62);
  put(extra + 12, std::uint64_t{1} << 62);
  write_text(directory_ / "m.keras", changed);
  EXPECT_THAT(refusal(), HasSubstr("cut short"));
}

INSTANTIATE_TEST_SUITE_P(Methods, Archives, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "deflated" : "stored"; });

TEST(Archive, ABombIsRefused) {
  const TemporaryDirectory directory(lamina::testing::memory_directory());
  make_archive(directory / "bomb.keras", std::string(std::size_t{80} << 20, '\0'), true);
  TreeBuilder builder;
  try {
    load(builder.tree, directory / "bomb.keras", {});
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("decompression bomb"));
  }
}

TEST(Archive, AMemberBeyondTheLimitIsRefusedBeforeItIsUnpacked) {
  for (const bool deflated : {false, true}) {
    const TemporaryDirectory directory(lamina::testing::memory_directory());
    make_archive(directory / "m.keras", std::string(1000, 'x'), deflated);
    const auto open = [&](std::uint64_t limit) {
      return storage::open_member(storage::posix().open(directory / "m.keras"), kMember, limit);
    };
    EXPECT_EQ(open(1000).size, 1000U);
    try {
      (void)open(999);
      FAIL() << deflated;
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), HasSubstr("1000 bytes, more than 999"));
    }
  }
}

TEST(Archive, WhatIsNoneIsRefusedInPythonsWords) {
  const TemporaryDirectory directory;
  write_text(directory / "m.keras", "This is no archive at all, but text of some length.");
  TreeBuilder builder;
  try {
    load(builder.tree, directory / "m.keras", {});
    FAIL();
  } catch (const FormatError& error) {
    EXPECT_THAT(error.what(), HasSubstr("File is not a zip file"));
  }
  EXPECT_THROW(load(builder.tree, directory / "none.keras", {}), FileNotFoundError);
}

}  // namespace
}  // namespace lamina::checkpoint
