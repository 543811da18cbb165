// Corners of the format that Keras's own files do not have and that other writers may use.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <thread>

#include "hdf5_image.h"
#include "tests/fakes/temporary_directory.h"

namespace lamina::h5::test {
namespace {

using ::testing::ElementsAre;

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

// In a heap whose objects are no longer than 4 KiB.
TEST(Format, AnAttributeOfAnyLengthIsPassedOverAmongMany) {
  Hdf5Image image(Format::kLatest);
  const std::uint16_t value = 0x3f80;
  image.dataset("vars/0", opaque_type(), {}, &value);
  image.dataset("vars/1", H5T_STD_U16LE, {}, &value);
  for (const char* object : {"vars", "vars/0", "vars/1"}) {
    for (int i = 0; i < 20; ++i) image.attribute(object, fmt::format("note_{}", i), "text");
    for (const std::size_t length : {5'000, 100'000}) {
      image.attribute(object, fmt::format("of {} bytes", length), std::string(length, 'x'), false);
    }
  }
  image.attribute("vars/0", "dtype", "bfloat16");
  image.attribute("vars", "name", "busy");
  const Reader reader = open(image.bytes());
  EXPECT_EQ(reader.find("/vars")->name, "busy");
  EXPECT_EQ(reader.find("/vars")->datasets.at("0").type.dtype, DType::kBFloat16);
  EXPECT_EQ(reader.find("/vars")->datasets.at("1").type.dtype, DType::kUInt16);
}

TEST(Format, AFillValueThatIsKeptForSeveralDatasetsIsNotTakenForZero) {
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose),
      access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  checked(H5Pset_shared_mesg_nindexes(creation, 1));
  checked(H5Pset_shared_mesg_index(creation, 0, H5O_SHMESG_FILL_FLAG, 1));
  checked(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
  const lamina::testing::TemporaryDirectory directory;
  const std::filesystem::path path = directory / "f.h5";
  Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access), H5Fclose);
  Handle group(H5Gcreate2(file, "vars", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  const Handle list = creation_list();
  const double fill = 2.5;
  checked(H5Pset_fill_value(list, H5T_IEEE_F64LE, &fill));
  const hsize_t three = 3;
  const Handle space(H5Screate_simple(1, &three, nullptr), H5Sclose);
  for (const char* name : {"0", "1"}) {
    Handle(H5Dcreate2(group, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, list, H5P_DEFAULT),
           H5Dclose);
  }
  group.close();
  file.close();
  const Reader reader(storage::posix().open(path));
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/vars"); }),
              ::testing::HasSubstr("a shared fill value"));
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
    EXPECT_THAT(dataset.type.description, ::testing::StartsWith(key));
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
