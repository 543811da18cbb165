// Corners of the format that Keras's own files do not have and that other writers may use.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <thread>

#include "hdf5_image.h"

namespace lamina::h5::test {
namespace {

using testing::ElementsAre;

TEST(Format, ManyLinksInOneGroupAreFound) {
  constexpr int kCount = 5000;
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    Hdf5Image image(format);
    for (int i = 0; i < kCount; ++i) {
      image.dataset(fmt::format("vars/a_name_of_some_length_{}", i), H5T_STD_I32LE, {}, &i);
    }
    const Reader reader = open(image.bytes());
    ASSERT_EQ(reader.find("/vars")->datasets.size(), std::size_t{kCount});
    for (int i = 0; i < kCount; i += 37) {
      EXPECT_THAT(read_as<int>(reader, "/vars", fmt::format("a_name_of_some_length_{}", i)),
                  ElementsAre(i));
    }
  }
}

TEST(Format, AttributesAreFoundAmongMany) {
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    Hdf5Image image(format);
    const std::uint16_t value = 0x3f80;
    image.dataset("vars/0", opaque_type(), {}, &value);
    for (int i = 0; i < 20; ++i) {
      image.attribute("vars/0", fmt::format("note_{}", i), "text");
      image.attribute("vars", fmt::format("note_{}", i), "text");
    }
    image.attribute("vars/0", "dtype", "bfloat16");
    image.attribute("vars", "name", "busy");
    const Reader reader = open(image.bytes());
    EXPECT_EQ(reader.find("/vars")->name, "busy");
    EXPECT_EQ(reader.find("/vars")->datasets.at("0").type.dtype, DType::kBFloat16);
  }
}

TEST(Format, ACommittedDatatypeIsFollowed) {
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    Hdf5Image image(format);
    Handle type(H5Tcopy(H5T_IEEE_F64LE), H5Tclose);
    checked(H5Tcommit2(image.file(), "a_type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    const double value = 2.5;
    image.dataset("vars/0", type, {1}, &value);
    type.close();  // the library keeps a file open for as long as its types are
    EXPECT_THAT(read_as<double>(open(image.bytes()), "/vars", "0"), ElementsAre(2.5));
  }
}

TEST(Format, AFileAfterAUserBlockIsRead) {
  Hdf5Image image;
  const int value = 5;
  image.dataset("vars/0", H5T_STD_I32LE, {1}, &value);
  std::vector<std::byte> bytes = image.bytes();
  bytes.insert(bytes.begin(), 2048, std::byte{0x55});
  const Reader reader = open(bytes);
  EXPECT_THAT(read_as<int>(reader, "/vars", "0"), ElementsAre(5));
  EXPECT_EQ(reader.base(), 2048u);
}

TEST(Format, OtherTypesAreDescribed) {
  Hdf5Image image;
  const Handle compound(H5Tcreate(H5T_COMPOUND, 8), H5Tclose);
  checked(H5Tinsert(compound, "r", 0, H5T_IEEE_F32LE));
  checked(H5Tinsert(compound, "i", 4, H5T_IEEE_F32LE));
  image.dataset("vars/compound", compound, {1}, nullptr);
  image.dataset("vars/string", H5T_C_S1, {1}, nullptr);
  image.dataset("vars/opaque", opaque_type("", 1), {1}, nullptr);
  const Reader reader = open(image.bytes());
  ASSERT_EQ(reader.find("/vars")->datasets.size(), 3u);
  for (const auto& [key, dataset] : reader.find("/vars")->datasets) {
    EXPECT_EQ(dataset.type.dtype, std::nullopt) << key;
    EXPECT_THAT(dataset.type.description, testing::StartsWith(key));
  }
}

TEST(Format, ThreadsShareAReader) {
  Hdf5Image image;
  for (int i = 0; i < 64; ++i) {
    const std::vector<int> values(100, i);
    image.dataset(fmt::format("l{}/vars/0", i), H5T_STD_I32LE, {100}, values.data(), chunked({30}));
  }
  const Reader reader = open(image.bytes());
  std::vector<std::thread> threads;
  for (int first = 0; first < 4; ++first) {
    threads.emplace_back([&reader, first] {
      for (int i = 0; i < 64; ++i) {
        const int layer = (i * (2 * first + 1)) % 64;
        EXPECT_EQ(read_as<int>(reader, fmt::format("/l{}/vars", layer), "0"),
                  std::vector<int>(100, layer));
      }
      EXPECT_EQ(reader.groups().size(), 64u);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace lamina::h5::test
