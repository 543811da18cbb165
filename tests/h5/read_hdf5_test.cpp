#include <gmock/gmock.h>
#include <lamina/error.h>
#include <lamina/hdf5.h>

#include <fstream>
#include <numeric>
#include <random>

#include "hdf5_image.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::h5::test {
namespace {

using lamina::testing::TemporaryDirectory;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ReadHdf5 : public ::testing::Test {
 protected:
  std::filesystem::path save(Hdf5Image& image) {
    const auto bytes = image.bytes();
    const auto path = directory_ / "data.h5";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  std::mt19937 random_{lamina::test::fresh_seed()};
  TemporaryDirectory directory_;
};

TEST_F(ReadHdf5, GivesDatasetsAsTensorsWhereverTheyAre) {
  std::vector<float> images(7 * 5 * 3);
  for (float& x : images) x = static_cast<float>(random_()) / 1e9F;
  std::vector<std::int16_t> labels(7);
  for (auto& x : labels) x = static_cast<std::int16_t>(random_());
  Hdf5Image image;
  const Handle compressed = chunked({4, 2, 3});
  checked(H5Pset_deflate(compressed, 6));
  image.dataset("train/images", H5T_IEEE_F32LE, {7, 5, 3}, images.data(), compressed);
  std::vector<std::int16_t> swapped = labels;
  for (auto& x : swapped)
    x = static_cast<std::int16_t>(__builtin_bswap16(static_cast<std::uint16_t>(x)));
  image.dataset("labels", H5T_STD_I16BE, {7}, swapped.data());
  const auto path = save(image);

  for (const char* name : {"train/images", "/train/images"}) {
    const Tensor got = read_hdf5(path, name);
    EXPECT_EQ(got.shape(), Shape({7, 5, 3}));
    EXPECT_EQ(got.dtype(), DType::kFloat32);
    EXPECT_EQ(std::vector<float>(got.data<float>().begin(), got.data<float>().end()), images);
  }
  const Tensor got = read_hdf5(path, "labels");
  EXPECT_EQ(
      std::vector<std::int16_t>(got.data<std::int16_t>().begin(), got.data<std::int16_t>().end()),
      labels);
}

TEST_F(ReadHdf5, LooksAtNothingBesideTheDataset) {
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    Hdf5Image image(format);
    const float values[] = {1.5F, -2};
    image.dataset("x", H5T_IEEE_F32LE, {2}, values);
    image.dataset("train/x", H5T_IEEE_F32LE, {2}, values);
    checked(H5Lcreate_soft("/x", image.file(), "soft", H5P_DEFAULT, H5P_DEFAULT));
    checked(
        H5Lcreate_external("other.h5", "/x", image.file(), "train/far", H5P_DEFAULT, H5P_DEFAULT));
    checked(H5Lcreate_hard(image.file(), "/", image.file(), "train/up", H5P_DEFAULT, H5P_DEFAULT));
    const auto path = save(image);
    for (const char* name : {"x", "train/x", "/train/up/x"}) {
      const Tensor got = read_hdf5(path, name);
      EXPECT_THAT(std::vector<float>(got.data<float>().begin(), got.data<float>().end()),
                  ElementsAre(1.5F, -2));
    }
    EXPECT_THAT(format_error_of([&] { (void)read_hdf5(path, "soft"); }), HasSubstr("SoftLink"));
    EXPECT_THAT(format_error_of([&] { (void)read_hdf5(path, "train/far"); }),
                HasSubstr("ExternalLink"));
  }
}

TEST_F(ReadHdf5, MakesAnyTrueByteOne) {
  const std::uint8_t bytes[] = {0, 1, 200};
  Hdf5Image image;
  const Handle type = bool_type();
  image.dataset("mask", type, {3}, bytes);
  const Tensor got = read_hdf5(save(image), "mask");
  EXPECT_EQ(got.dtype(), DType::kBool);
  EXPECT_THAT(got.bytes(), ElementsAre(std::byte{0}, std::byte{1}, std::byte{1}));
}

TEST_F(ReadHdf5, NamesFileAndDatasetInItsErrors) {
  Hdf5Image image;
  const Handle type = opaque_type("mine", 3);
  const char bytes[6] = {};
  image.dataset("group/odd", type, {2}, bytes);
  const auto path = save(image);
  for (const char* name : {"none", "group", "group/none", "none/odd", "", "/"}) {
    EXPECT_THAT(
        format_error_of([&] { (void)read_hdf5(path, name); }),
        AllOf(HasSubstr(path.string()), HasSubstr("no dataset '" + std::string(name) + "'")));
  }
  EXPECT_THAT(format_error_of([&] { (void)read_hdf5(path, "group/odd"); }),
              AllOf(HasSubstr(path.string()), HasSubstr("opaque")));
  EXPECT_THROW((void)read_hdf5(directory_ / "none.h5", "x"), FileNotFoundError);
}

}  // namespace
}  // namespace lamina::h5::test
