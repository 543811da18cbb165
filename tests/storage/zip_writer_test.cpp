#include "storage/zip_writer.h"

#include <gmock/gmock.h>
#include <lamina/error.h>
#include <zip.h>
#include <zlib.h>

#include <algorithm>
#include <random>

#include "core/direct_io.h"
#include "storage/zip_member.h"
#include "tests/fakes/bytes.h"
#include "tests/fakes/passing_storage.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::storage {
namespace {

using lamina::testing::PassingStorage;
using lamina::testing::random_bytes;
using lamina::testing::TemporaryDirectory;
using ::testing::ElementsAre;

/// An archive as libzip reads it, which compares the checksum of what is read to its end.
class LibZip {
 public:
  explicit LibZip(const Path& path) : archive_(zip_open(path.c_str(), ZIP_CHECKCONS, &code_)) {
    EXPECT_NE(archive_, nullptr) << "error " << code_;
  }
  ~LibZip() { zip_discard(archive_); }
  LibZip(const LibZip&) = delete;
  LibZip& operator=(const LibZip&) = delete;

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (zip_int64_t i = 0; i < zip_get_num_entries(archive_, 0); ++i) {
      out.emplace_back(zip_get_name(archive_, static_cast<zip_uint64_t>(i), 0));
    }
    return out;
  }
  /// Fills `out` with a member; the number of its bytes, or -1 for a damaged or a longer one.
  [[nodiscard]] zip_int64_t read(const char* name, std::vector<std::byte>& out) const {
    zip_file_t* file = zip_fopen(archive_, name, 0);
    EXPECT_NE(file, nullptr) << zip_strerror(archive_);
    const zip_int64_t got = zip_fread(file, out.data(), out.size());
    std::byte beyond{};  // at the end the checksum is compared
    const zip_int64_t end = zip_fread(file, &beyond, 1);
    zip_fclose(file);
    return end == 0 ? got : -1;
  }
  [[nodiscard]] zip_stat_t status(const char* name) const {
    zip_stat_t out;
    EXPECT_EQ(zip_stat(archive_, name, 0, &out), 0);
    return out;
  }

 private:
  int code_ = 0;
  zip_t* archive_;
};

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> read_through(const ZipMember& member) {
  std::vector<std::byte> out(member.size);
  member.file->read_at(member.base, out);
  return out;
}

/// Whose files are as long as asked for without taking the space.
class SparseStorage final : public PassingStorage {
 public:
  std::unique_ptr<WritableFile> create(const Path& path) override {
    return std::make_unique<File>(inner().create(path));
  }

 private:
  class File final : public WritableFile {
   public:
    explicit File(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
    [[nodiscard]] const Path& path() const override { return file_->path(); }
    void resize(std::uint64_t size) override { std::filesystem::resize_file(path(), size); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      file_->write_at(offset, bytes);
    }
    void sync() override { file_->sync(); }
    void close() override { file_->close(); }

   private:
    std::unique_ptr<WritableFile> file_;
  };
};

/// Of so many zeros.
uLong crc_of_zeros(std::uint64_t count) {
  constexpr Bytef kZero = 0;
  uLong crc = 0, part = crc32(0, &kZero, 1);
  for (z_off_t length = 1; count > 0; count /= 2, length *= 2) {
    if (count % 2 == 1) crc = crc32_combine(crc, part, length);
    part = crc32_combine(part, part, length);
  }
  return crc;
}

class ZipWriter : public ::testing::Test {
 protected:
  ZipWriter() { RecordProperty("seed", static_cast<int>(seed_)); }

  std::string random_text(std::size_t most) {
    std::string text(random_() % (most + 1), '\0');
    for (char& c : text) c = static_cast<char>('a' + random_() % 26);
    return text;
  }
  [[nodiscard]] ZipMemberWriter writer(std::vector<ZipText> texts, Storage& storage = posix()) {
    return {storage.create(path_), std::move(texts), "inner/m.h5", storage};
  }
  [[nodiscard]] ZipMember opened() const { return open_member(posix().open(path_), "inner/m.h5"); }

  const unsigned seed_ = lamina::test::fresh_seed();
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_;
  Path path_ = directory_ / "a.keras";
};

TEST_F(ZipWriter, MakesArchivesThatOthersRead) {
  for (int round = 0; round < 20; ++round) {
    const std::vector<ZipText> texts = {{"metadata.json", random_text(100)},
                                        {"größe/config.json", random_text(20000)}};
    const std::vector<std::byte> member = random_bytes(random_, random_() % 100000);
    ZipMemberWriter file = writer(texts);
    file.resize(member.size());
    // Parts in any order, as threads write them.
    std::vector<std::size_t> cuts = {0, member.size()};
    for (int i = 0; i < 5; ++i) cuts.push_back(random_() % (member.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    std::vector<std::size_t> parts = {0, 1, 2, 3, 4, 5};
    std::shuffle(parts.begin(), parts.end(), random_);
    for (const std::size_t i : parts) {
      file.write_at(cuts[i], std::span(member).subspan(cuts[i], cuts[i + 1] - cuts[i]));
    }
    file.sync();
    file.close();

    const LibZip archive(path_);
    ASSERT_THAT(archive.names(), ElementsAre("metadata.json", "größe/config.json", "inner/m.h5"));
    for (const ZipText& text : texts) {
      std::vector<std::byte> bytes(text.text.size());
      EXPECT_EQ(archive.read(text.name.c_str(), bytes), static_cast<zip_int64_t>(bytes.size()));
      EXPECT_EQ(bytes, bytes_of(text.text));
      EXPECT_EQ(read_through(open_member(posix().open(path_), text.name)), bytes);
    }
    std::vector<std::byte> bytes(member.size());
    EXPECT_EQ(archive.read("inner/m.h5", bytes), static_cast<zip_int64_t>(member.size()));
    EXPECT_EQ(bytes, member);
    EXPECT_EQ(read_through(opened()), member);
  }
}

TEST_F(ZipWriter, AlignsTheMember) {
  for (std::size_t length = 4000; length < 4200; ++length) {
    ZipMemberWriter file = writer({{"config.json", std::string(length, 'x')}});
    file.resize(1);
    file.write_at(0, random_bytes(random_, 1));
    file.sync();
    EXPECT_EQ(opened().base % core::kDirectAlignment, 0u) << length;
    EXPECT_LE(opened().base, length + 8192) << length;
  }
}

TEST_F(ZipWriter, WritesNothingThatIsNotRead) {
  const std::vector<std::byte> member = random_bytes(random_, 5000);
  ZipMemberWriter file = writer({});
  file.resize(member.size());
  file.write_at(0, member);
  EXPECT_THROW((void)opened(), FormatError) << "an archive before it is synced";
  file.sync();
  EXPECT_EQ(read_through(opened()), member);
}

// 4 GiB is where ZIP's own numbers end.
TEST_F(ZipWriter, MakesArchivesOfMoreThanFourGigabytes) {
  const std::uint64_t size = (std::uint64_t{1} << 32) + 1 + random_() % 1000000;
  SparseStorage storage;
  ZipMemberWriter file = writer({{"config.json", "{}"}}, storage);
  file.resize(size);
  const std::vector<std::byte> end = random_bytes(random_, 1000);
  file.write_at(size - end.size(), end);
  file.sync();

  const LibZip archive(path_);
  EXPECT_EQ(archive.status("inner/m.h5").size, size);
  EXPECT_EQ(archive.status("inner/m.h5").comp_size, size);
  const uLong last = crc32(0, reinterpret_cast<const Bytef*>(end.data()), 1000);
  EXPECT_EQ(archive.status("inner/m.h5").crc, crc32_combine(crc_of_zeros(size - 1000), last, 1000));
  const ZipMember member = opened();
  ASSERT_EQ(member.size, size);
  EXPECT_EQ(member.base % core::kDirectAlignment, 0u);
  std::vector<std::byte> bytes(end.size());
  member.file->read_at(member.base + size - end.size(), bytes);
  EXPECT_EQ(bytes, end);
  EXPECT_EQ(read_through(open_member(posix().open(path_), "config.json")), bytes_of("{}"));
}

}  // namespace
}  // namespace lamina::storage
