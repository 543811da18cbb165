// Hostile and damaged files. Whatever the bytes, the reader returns data or throws a lamina::Error,
// and soon.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <lamina/error.h>

#include <chrono>
#include <ctime>
#include <random>

#include "hdf5_image.h"
#include "tests/fresh_seed.h"

namespace lamina::h5::test {
namespace {

using testing::HasSubstr;

/// Does all that can be done with a file. Returns true when nothing in it was refused.
bool exercise(std::vector<std::byte> bytes) {
  bool good = true;
  const std::clock_t begin = std::clock();
  const auto attempt = [&](const auto& f) {
    try {
      f();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("test.weights.h5"));
      good = false;
    }
  };
  attempt([&] {
    const Reader reader = open(std::move(bytes));
    for (const VarsGroup* group : reader.groups()) {
      attempt([&] { (void)reader.find(group->path); });
      for (const auto& [key, dataset] : group->datasets) {
        if (dataset.nbytes > (1 << 20)) continue;
        std::vector<std::byte> out(dataset.nbytes);
        attempt([&] { reader.read(dataset, out); });
      }
    }
    good &= reader.problems().empty();
    (void)reader.has_root_member("layers");
  });
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC) << "more than a second of work";
  return good;
}

std::vector<std::byte> sample(Format format) {
  Hdf5Image image(format);
  const float values[] = {1, 2, 3, 4, 5, 6};
  image.dataset("layers/dense/vars/0", H5T_IEEE_F32LE, {2, 3}, values);
  image.attribute("layers/dense/vars", "name", "dense");
  image.dataset("layers/dense/vars/1", opaque_type(), {3}, values);
  image.attribute("layers/dense/vars/1", "dtype", "bfloat16");
  image.dataset("vars/0", bool_type(), {2}, values);
  const Handle list = chunked({2, 2});
  checked(H5Pset_shuffle(list));
  checked(H5Pset_deflate(list, 6));
  image.dataset("vars/1", H5T_IEEE_F32LE, {2, 3}, values, list);
  for (int i = 2; i < 12; ++i)
    image.dataset(fmt::format("vars/{}", i), H5T_IEEE_F32LE, {1}, values);
  return image.bytes();
}

class BadInput : public testing::TestWithParam<Format> {};

TEST_P(BadInput, TruncatedAnywhereIsRefused) {
  const std::vector<std::byte> whole = sample(GetParam());
  ASSERT_TRUE(exercise(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::vector<std::byte> part(whole.begin(),
                                      whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(format_error_of([&] { (void)open(part); }), "") << size;
  }
}

TEST_P(BadInput, AnyFlippedBitOfASmallFileIsSurvived) {
  Hdf5Image image(GetParam());
  const float value = 1;
  image.dataset("vars/0", H5T_IEEE_F32LE, {1}, &value);
  std::vector<std::byte> bytes = image.bytes();
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= std::byte(1u << bit % 8);
    const bool good = exercise(bytes);
    EXPECT_FALSE(good && bit < 64) << "bit " << bit << " of HDF5's signature";
    refused += !good;
    bytes[bit / 8] ^= std::byte(1u << bit % 8);
  }
  EXPECT_GT(refused, bytes.size() / 8);  // as many of a hundred as below
}

TEST_P(BadInput, AFlippedBitInAnyByteIsSurvived) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes = sample(GetParam());
  std::size_t refused = 0;
  for (std::byte& byte : bytes) {
    const auto flip = static_cast<std::byte>(1u << random() % 8);
    byte ^= flip;
    refused += !exercise(bytes);
    byte ^= flip;
  }
  EXPECT_GT(refused, bytes.size() / 64);
}

TEST_P(BadInput, RandomBytesAreSurvived) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const std::vector<std::byte> whole = sample(GetParam());
  std::size_t refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::byte> bytes = whole;
    for (int i = 0; i < 1 + round % 8; ++i) {
      const std::size_t at = random() % bytes.size(),
                        count = std::min<std::size_t>(random() % 16, bytes.size() - at);
      for (std::size_t j = 0; j < count; ++j)
        bytes[at + j] = round % 3 == 0 ? std::byte{0xff} : std::byte(random());
    }
    refused += !exercise(bytes);
  }
  EXPECT_GT(refused, 2000u / 64);
  std::vector<std::byte> noise(4096);
  for (std::byte& byte : noise) byte = std::byte(random());
  EXPECT_THAT(format_error_of([&] { (void)open(noise); }), HasSubstr("file signature not found"));
}

INSTANTIATE_TEST_SUITE_P(Formats, BadInput, testing::Values(Format::kEarliest, Format::kLatest));

TEST(Guards, LinksAreRefusedOnlyWhereTheyAreAsked) {
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    Hdf5Image image(format);
    const float value = 1;
    image.dataset("layers/good/vars/0", H5T_IEEE_F32LE, {1}, &value);
    image.group("layers/bad");
    checked(H5Lcreate_soft("/layers/good/vars", image.file(), "layers/bad/vars", H5P_DEFAULT,
                           H5P_DEFAULT));
    checked(H5Lcreate_external("/etc/passwd", "/", image.file(), "layers/far", H5P_DEFAULT,
                               H5P_DEFAULT));
    image.group("inner/vars");
    checked(H5Lcreate_soft("/layers/good/vars/0", image.file(), "inner/vars/0", H5P_DEFAULT,
                           H5P_DEFAULT));
    const Reader reader = open(image.bytes());
    EXPECT_EQ(read_as<float>(reader, "/layers/good/vars", "0"), std::vector<float>{1});
    EXPECT_THAT(format_error_of([&] { (void)reader.find("/layers/bad/vars"); }),
                HasSubstr("/layers/bad/vars: Not allowed: H5 file with SoftLink"));
    EXPECT_THAT(format_error_of([&] { (void)reader.find("/layers/far/vars"); }),
                HasSubstr("/layers/far: Not allowed: H5 file with ExternalLink"));
    EXPECT_THAT(format_error_of([&] { (void)reader.find("/inner/vars"); }),
                HasSubstr("Not allowed: H5 file with SoftLink"));
    EXPECT_EQ(reader.problems().size(), 2u);
  }
}

TEST(Guards, ExternalAndVirtualDataIsRefused) {
  Hdf5Image image(Format::kLatest);
  const float value = 1;
  image.dataset("good/vars/0", H5T_IEEE_F32LE, {1}, &value);
  const Handle external = creation_list();
  checked(H5Pset_external(external, "/etc/passwd", 0, 8));
  image.dataset("external/vars/0", H5T_IEEE_F32LE, {2}, nullptr, external);
  const Handle mapped = creation_list();
  const hsize_t one = 1;
  const Handle space(H5Screate_simple(1, &one, nullptr), H5Sclose);
  checked(H5Pset_virtual(mapped, space, "other.h5", "/x", space));
  image.dataset("virtual/vars/0", H5T_IEEE_F32LE, {1}, nullptr, mapped);
  const Reader reader = open(image.bytes());
  EXPECT_EQ(read_as<float>(reader, "/good/vars", "0"), std::vector<float>{1});
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/external/vars"); }),
              HasSubstr("/external/vars/0: Not allowed: H5 file with external Dataset"));
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/virtual/vars"); }),
              HasSubstr("/virtual/vars/0: Not allowed: H5 file with virtual Dataset"));
  EXPECT_EQ(reader.groups().size(), 3u);
}

TEST(Guards, AShapeBombIsRefusedInKerasWords) {
  Hdf5Image image;
  const Handle list = chunked({1 << 20});
  checked(H5Pset_deflate(list, 6));
  image.dataset("vars/0", H5T_IEEE_F32LE, {hsize_t{1} << 31}, nullptr, list);
  const Reader reader = open(image.bytes());
  EXPECT_THAT(
      format_error_of([&] { (void)reader.find("/vars"); }),
      HasSubstr(
          "Not allowed: H5 dataset '/vars/0' declares 8.00 GB but only 0.00 B are stored on disk; "
          "refusing to load a potential decompression/shape bomb."));
}

TEST(Guards, ManySmallBombsAreRefusedTogether) {
  Hdf5Image image;
  for (int i = 0; i < 5; ++i) {
    image.dataset(fmt::format("l{}", i) + "/vars/0", H5T_IEEE_F32LE, {hsize_t{1} << 28}, nullptr);
  }
  const Reader reader = open(image.bytes());
  for (int i = 0; i < 4; ++i) EXPECT_NE(reader.find(fmt::format("/l{}/vars", i)), nullptr);
  EXPECT_NE(reader.find("/l0/vars"), nullptr);
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/l4/vars"); }),
              HasSubstr("declare 5.00 GB together"));
}

TEST(Guards, GroupsInCirclesAreListedOnceAndFoundAnyway) {
  Hdf5Image image;
  const float value = 1;
  image.dataset("a/b/vars/0", H5T_IEEE_F32LE, {1}, &value);
  checked(H5Lcreate_hard(image.file(), "/a", image.file(), "/a/b/a", H5P_DEFAULT, H5P_DEFAULT));
  image.group("c/vars");
  checked(H5Lcreate_hard(image.file(), "/c", image.file(), "/c/vars/c", H5P_DEFAULT, H5P_DEFAULT));
  const Reader reader = open(image.bytes());
  EXPECT_EQ(reader.groups().size(), 2u);
  EXPECT_NE(reader.find("/a/b/a/b/vars"), nullptr);
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/c/vars"); }),
              HasSubstr("groups nested more than 32 deep"));
}

TEST(Guards, ALatticeOfGroupsTakesNoTime) {
  Hdf5Image image;
  image.group("g40");
  for (int i = 39; i >= 0; --i) {
    const std::string group = fmt::format("/g{}", i), next = fmt::format("/g{}", i + 1);
    image.group(group);
    for (const char* name : {"/a", "/b", "/vars"}) {
      checked(H5Lcreate_hard(image.file(), next.c_str(), image.file(), (group + name).c_str(),
                             H5P_DEFAULT, H5P_DEFAULT));
    }
  }
  const std::vector<std::byte> bytes = image.bytes();
  const auto begin = std::chrono::steady_clock::now();
  const Reader reader = open(bytes);
  (void)reader.groups();
  EXPECT_NE(format_error_of([&] { (void)reader.find("/g0/vars"); }), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

TEST(Guards, HardLinksShareADataset) {
  Hdf5Image image;
  const float values[] = {1, 2};
  image.dataset("a/vars/0", H5T_IEEE_F32LE, {2}, values);
  image.group("b/vars");
  checked(H5Lcreate_hard(image.file(), "/a/vars/0", image.file(), "/b/vars/0", H5P_DEFAULT,
                         H5P_DEFAULT));
  const Reader reader = open(image.bytes());
  EXPECT_EQ(read_as<float>(reader, "/b/vars", "0"), (std::vector<float>{1, 2}));
  EXPECT_EQ(reader.find("/a/vars")->datasets.at("0").header,
            reader.find("/b/vars")->datasets.at("0").header);
}

TEST(Guards, AnObjectHeaderThatContinuesInItselfIsRefused) {
  Hdf5Image image;
  const float value = 1;
  image.dataset("vars/0", H5T_IEEE_F32LE, {1}, &value);
  std::vector<std::byte> bytes = image.bytes();
  const std::uint64_t header = open(bytes).find("/vars")->datasets.at("0").header;
  // An empty message becomes a continuation that leads to itself; there are more messages to come.
  const auto u16 = [&](std::uint64_t at) {
    return std::to_integer<unsigned>(bytes[at]) | std::to_integer<unsigned>(bytes[at + 1]) << 8;
  };
  std::uint64_t message = header + 16;
  while (u16(message) != 0 || u16(message + 2) < 16) message += 8 + u16(message + 2);
  const std::uint64_t fields[] = {message, 8 + u16(message + 2)};
  bytes[message] = std::byte{0x10};
  bytes[header + 2] = std::byte{0xff};
  std::copy_n(reinterpret_cast<const std::byte*>(fields), 16,
              bytes.begin() + static_cast<std::ptrdiff_t>(message + 8));
  const Reader reader = open(bytes);
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/vars"); }),
              HasSubstr("continues in a circle"));
}

TEST(Speed, TwentyThousandDatasetsOpenSoon) {
  Hdf5Image image;
  const float value = 1;
  constexpr int kLayers = 5000, kVariables = 4;
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string vars = fmt::format("layers/dense_{}/vars/", layer);
    for (int i = 0; i < kVariables; ++i)
      image.dataset(vars + std::to_string(i), H5T_IEEE_F32LE, {1}, &value);
  }
  const std::vector<std::byte> bytes = image.bytes();
  const std::clock_t begin = std::clock();
  const Reader reader = open(bytes);
  std::size_t count = 0;
  for (const VarsGroup* group : reader.groups()) count += group->datasets.size();
  const double seconds =
      static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;  // of this process alone
  EXPECT_EQ(count, std::size_t{kLayers * kVariables});
  RecordProperty("milliseconds", static_cast<int>(seconds * 1000));
  std::cout << "20,000 datasets in " << seconds * 1000 << " ms\n";
  EXPECT_LT(seconds, 5) << "even under sanitizers";
}

}  // namespace
}  // namespace lamina::h5::test
