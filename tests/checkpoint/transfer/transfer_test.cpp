#include "checkpoint/transfer/transfer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "core/buffer.h"
#include "core/crc32c.h"
#include "tests/fresh_seed.h"

namespace lamina::checkpoint {
namespace {

/// Shows what is read in parts of any length, as a file does that lies partly in the page cache.
class UnevenFile final : public storage::ReadableFile {
 public:
  UnevenFile(std::vector<std::byte> bytes, std::uint64_t seed)
      : bytes_(std::move(bytes)), seed_(seed) {}
  [[nodiscard]] const storage::Path& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] bool is_replaced() const override { return false; }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }
  void read_and_show(std::uint64_t offset, std::span<std::byte> out,
                     const Seen& seen) const override {
    std::mt19937_64 random(seed_ + offset);
    for (std::size_t at = 0, size = 0; at < out.size(); at += size) {
      size = std::min<std::size_t>(1 + random() % (std::size_t{3} << 20), out.size() - at);
      read_at(offset + at, out.subspan(at, size));
      seen(out.subspan(at, size));
    }
  }

 private:
  const storage::Path path_ = "uneven";
  const std::vector<std::byte> bytes_;
  const std::uint64_t seed_;
};

TEST(Transfer, SumsWhatIsReadHoweverItComes) {
  const std::uint64_t seed = test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 4; ++round) {
    std::vector<std::byte> content((std::size_t{24} << 20) + random() % (std::size_t{24} << 20));
    for (std::size_t i = 0; i < content.size(); i += 7)
      content[i] = static_cast<std::byte>(random());
    const UnevenFile file(content, random());
    std::deque<std::vector<std::byte>> read;
    std::deque<TensorChecksum> sums;
    std::vector<ReadExtent> extents;
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t at = 0; at < content.size(); at += read.back().size()) {
      const std::uint64_t most = std::uint64_t{1} << (1 + random() % 26);
      read.emplace_back(std::min(1 + random() % most, content.size() - at), std::byte{0xee});
      sums.emplace_back(read.back().size());
      extents.push_back({&file, at, read.back(), &sums.back()});
      offsets.push_back(at);
    }
    const ByteProgress::Callback nobody;
    ByteProgress progress(nobody, content.size());
    read_extents(extents, progress);
    for (std::size_t i = 0; i < extents.size(); ++i) {
      const std::span<const std::byte> saved(content.data() + offsets[i], read[i].size());
      ASSERT_EQ(std::memcmp(read[i].data(), saved.data(), saved.size()), 0) << i;
      ASSERT_EQ(sums[i].value(), core::crc32c(saved)) << i;
    }
  }
}

/// A file in memory that remembers how much of it was written.
class CountingFile final : public storage::WritableFile {
 public:
  explicit CountingFile(std::size_t size) : bytes_(size, std::byte{0xee}) {}
  [[nodiscard]] const storage::Path& path() const override { return path_; }
  void resize(std::uint64_t /*size*/) override {}
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    std::memcpy(bytes_.data() + offset, bytes.data(), bytes.size());
    written_ += bytes.size();
  }
  void sync() override {}
  void close() override {}
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  const storage::Path path_ = "counting";
  std::vector<std::byte> bytes_;
  std::atomic<std::uint64_t> written_ = 0;
};

TEST(Transfer, TellsOfEachFileOnceItIsWrittenAndSummed) {
  const std::uint64_t seed = test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 4; ++round) {
    struct File {
      explicit File(std::size_t size) : file(size), sum(size) {}
      CountingFile file;
      std::shared_ptr<void> memory;
      std::span<const std::byte> tensor;
      TensorChecksum sum;
      std::atomic<int> told = 0;
    };
    std::deque<File> files;
    std::vector<WriteExtent> extents;
    std::uint64_t total = 0;
    for (int i = 0; i < 6; ++i) {
      // Some are written from where they lie, some from buffers.
      const std::size_t size = 1 + random() % (std::size_t{1} << (10 + random() % 15));
      File& file = files.emplace_back(size);
      file.memory = core::allocate_host(size);
      auto* bytes = static_cast<std::byte*>(file.memory.get());
      for (std::size_t at = 0; at < size; at += 5) bytes[at] = static_cast<std::byte>(random());
      file.tensor = {bytes, size};
      extents.push_back({&file.file, 0, file.tensor, &file.sum});
      total += size;
    }
    const ByteProgress::Callback nobody;
    ByteProgress progress(nobody, total);
    write_extents(extents, progress, [&](storage::WritableFile& written) {
      const auto file = std::find_if(files.begin(), files.end(),
                                     [&](const File& each) { return &each.file == &written; });
      ASSERT_NE(file, files.end());
      ++file->told;
      EXPECT_EQ(file->file.written(), file->tensor.size());
      EXPECT_EQ(file->sum.value(), core::crc32c(file->tensor));
    });
    for (const File& file : files) {
      EXPECT_EQ(file.told, 1);
      EXPECT_TRUE(std::equal(file.tensor.begin(), file.tensor.end(), file.file.bytes().begin()));
    }
  }
}

}  // namespace
}  // namespace lamina::checkpoint
