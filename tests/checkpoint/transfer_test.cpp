#include "checkpoint/transfer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

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
    const Progress::Callback nobody;
    Progress progress(nobody, content.size());
    read_extents(extents, progress);
    for (std::size_t i = 0; i < extents.size(); ++i) {
      const std::span<const std::byte> saved(content.data() + offsets[i], read[i].size());
      ASSERT_EQ(std::memcmp(read[i].data(), saved.data(), saved.size()), 0) << i;
      ASSERT_EQ(sums[i].value(), core::crc32c(saved)) << i;
    }
  }
}

}  // namespace
}  // namespace lamina::checkpoint
