// Files of many groups: what is read in passing is read once, and every name is its own group's.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <numeric>
#include <optional>
#include <random>

#include "hdf5_image.h"
#include "tests/fresh_seed.h"

namespace lamina::h5::test {
namespace {

/// Counts what is read of it.
class CountedFile final : public storage::ReadableFile {
 public:
  explicit CountedFile(std::vector<std::byte> bytes) : file_(in_memory(std::move(bytes))) {}
  [[nodiscard]] const storage::Path& path() const override { return file_->path(); }
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  [[nodiscard]] bool is_replaced() const override { return file_->is_replaced(); }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    file_->read_at(offset, out);
    bytes_ += out.size();
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<storage::MemoryFile> file_;
  mutable std::atomic<std::uint64_t> bytes_ = 0;
};

/// Cannot be read at its n-th read, and at all others can.
class OnceUnreadableFile final : public storage::ReadableFile {
 public:
  OnceUnreadableFile(std::vector<std::byte> bytes, std::size_t fails_at)
      : file_(in_memory(std::move(bytes))), fails_at_(fails_at) {}
  [[nodiscard]] const storage::Path& path() const override { return file_->path(); }
  [[nodiscard]] std::uint64_t size() const override { return file_->size(); }
  [[nodiscard]] bool is_replaced() const override { return false; }
  void read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (reads_++ == fails_at_) throw StorageError("pread failed for 'file'", EIO);
    file_->read_at(offset, out);
  }
  [[nodiscard]] bool reached() const { return reads_ > fails_at_; }

 private:
  std::shared_ptr<storage::MemoryFile> file_;
  const std::size_t fails_at_;
  mutable std::atomic<std::size_t> reads_ = 0;
};

class ManyGroups : public testing::TestWithParam<Format> {
 protected:
  void SetUp() override { RecordProperty("seed", std::to_string(seed_)); }

  /// Of any length, so that names fill collections of the global heap in all ways.
  std::string random_name() {
    std::string out(1 + random_() % (random_() % 16 == 0 ? 3000 : 60), 'x');
    for (char& c : out) c = static_cast<char>('a' + random_() % 26);
    return out;
  }

  std::uint64_t seed_ = lamina::test::fresh_seed();
  std::mt19937_64 random_{seed_};
};

TEST_P(ManyGroups, KeepTheirNamesShapesAndOrder) {
  SCOPED_TRACE(seed_);
  constexpr std::size_t kGroups = 700;
  Hdf5Image image(GetParam());
  std::map<std::string, std::string> names;
  std::map<std::string, std::vector<float>> values;
  for (std::size_t i = 0; i < kGroups; ++i) {
    const std::string path = fmt::format("/layers/{}_{}/vars", random_name().substr(0, 30), i);
    names[path] = random_name();
    std::vector<float>& stored = values[path];
    for (std::size_t k = 0; k <= random_() % 5; ++k) stored.push_back(static_cast<float>(i + k));
    image.dataset(path + "/0", H5T_IEEE_F32LE, {stored.size()}, stored.data());
    image.attribute(path, "name", names[path]);
  }
  const auto file = std::make_shared<CountedFile>(image.bytes());
  const Reader reader(file);
  const std::vector<const VarsGroup*> groups = reader.groups();
  EXPECT_LT(file->bytes(), 4 * file->size());
  ASSERT_EQ(groups.size(), kGroups);
  EXPECT_TRUE(reader.problems().empty());
  auto expected = names.begin();
  for (const VarsGroup* group : groups) {
    ASSERT_EQ(group->path, expected->first);
    EXPECT_EQ(group->name, expected->second) << group->path;
    EXPECT_EQ(group->datasets.at("0").shape,
              Shape({static_cast<std::int64_t>(values[group->path].size())}));
    ++expected;
  }
  // As they were made, where the file tells: a new one does not number its links.
  std::vector<std::size_t> orders;
  for (const VarsGroup* group : groups) orders.push_back(group->order);
  std::sort(orders.begin(), orders.end());
  for (std::size_t i = 0; i < kGroups; ++i) ASSERT_EQ(orders[i], i);
  for (const auto& [path, stored] : values) EXPECT_EQ(read_as<float>(reader, path, "0"), stored);
}

// As in a file that was copied by other rules than those by which a model's layers follow each
// other: the names of neighbours lie in different collections of the global heap.
TEST_P(ManyGroups, MadeInAnotherOrderThanTheyAreReadAreStillReadOnce) {
  SCOPED_TRACE(seed_);
  constexpr std::size_t kGroups = 20'000;
  std::vector<std::size_t> order(kGroups);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), random_);
  Hdf5Image image(GetParam());
  for (const std::size_t i : order) {
    const std::string vars = fmt::format("/{:05}/vars", i);
    image.group(vars);
    image.attribute(vars, "name", fmt::format("{}", i));
  }
  const Reader reader = open(image.bytes());
  for (std::size_t i = 0; i < kGroups; ++i) {
    const VarsGroup* group = reader.find(fmt::format("/{:05}/vars", i));
    ASSERT_NE(group, nullptr) << i;
    ASSERT_EQ(group->name, fmt::format("{}", i));
  }
  EXPECT_EQ(reader.groups().size(), kGroups);
  EXPECT_THAT(reader.problems(), testing::IsEmpty());
}

TEST_P(ManyGroups, NamesBeforeDamageInTheirHeapAreStillRead) {
  SCOPED_TRACE(seed_);
  Hdf5Image image(GetParam());
  constexpr std::size_t kNames = 40;
  const float value = 1;
  for (std::size_t i = 0; i < kNames; ++i) {
    image.dataset(fmt::format("/l{}/vars/0", i), H5T_IEEE_F32LE, {1}, &value);
    image.attribute(fmt::format("/l{}/vars", i), "name", fmt::format("name of {:02}", i));
  }
  std::vector<std::byte> bytes = image.bytes();
  const std::size_t damaged = 5 + random_() % (kNames - 10);
  const std::string text = fmt::format("name of {:02}", damaged);
  const auto at = std::search(bytes.begin(), bytes.end(), text.begin(), text.end(),
                              [](std::byte b, char c) { return b == static_cast<std::byte>(c); });
  ASSERT_NE(at, bytes.end());
  std::fill(at - 8, at, std::byte{0xff});  // the object's size
  const Reader reader = open(std::move(bytes));
  ASSERT_EQ(reader.groups().size(), kNames);
  for (std::size_t i = 0; i < kNames; ++i) {
    const VarsGroup* group = reader.find(fmt::format("/l{}/vars", i));
    ASSERT_NE(group, nullptr);
    if (i < damaged) {
      EXPECT_EQ(group->name, fmt::format("name of {:02}", i));
    } else {
      EXPECT_FALSE(group->name.has_value()) << i << ", damaged from " << damaged;
    }
  }
}

TEST_P(ManyGroups, AreAllFoundByASecondLookWhereTheFirstCouldNotReadTheFile) {
  SCOPED_TRACE(seed_);
  Hdf5Image image(GetParam());
  constexpr std::size_t kGroups = 300;
  const float value = 1;
  for (std::size_t i = 0; i < kGroups; ++i) {
    const std::string path = fmt::format("/{}/layer_{}/vars", i % 7, i);
    image.dataset(path + "/0", H5T_IEEE_F32LE, {1}, &value);
    image.attribute(path, "name", random_name());
  }
  const std::vector<std::byte> bytes = image.bytes();
  const std::size_t some = random_() % kGroups;
  const std::string looked_for = fmt::format("/{}/layer_{}/vars", some % 7, some);
  std::size_t failures = 0;
  for (std::size_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const auto file = std::make_shared<OnceUnreadableFile>(bytes, n);
    std::optional<Reader> reader;
    try {
      reader.emplace(file);
      (void)reader->find(looked_for);
      (void)reader->groups();
    } catch (const StorageError&) {
      ++failures;
    }
    if (!reader) continue;
    const VarsGroup* found = reader->find(looked_for);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->datasets.size(), 1U);
    const std::vector<const VarsGroup*> groups = reader->groups();
    ASSERT_EQ(groups.size(), kGroups);
    std::vector<std::size_t> orders;
    for (const VarsGroup* group : groups) {
      ASSERT_EQ(group->datasets.size(), 1U) << group->path;
      EXPECT_EQ(group->problem, "");
      orders.push_back(group->order);
    }
    std::sort(orders.begin(), orders.end());
    for (std::size_t i = 0; i < kGroups; ++i) ASSERT_EQ(orders[i], i);
    EXPECT_TRUE(reader->problems().empty());
    if (!file->reached()) break;
  }
  EXPECT_GT(failures, 5U);
}

INSTANTIATE_TEST_SUITE_P(Formats, ManyGroups, testing::Values(Format::kEarliest, Format::kLatest));

}  // namespace
}  // namespace lamina::h5::test
