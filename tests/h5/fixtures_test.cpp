// Files that Keras and h5py wrote (data/make_data.py), read value for value.
#include <gmock/gmock.h>
#include <lamina/float16.h>

#include <numeric>

#include "hdf5_image.h"

namespace lamina::h5::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> paths_of(const Reader& reader) {
  std::vector<std::string> paths;
  for (const VarsGroup* group : reader.groups()) paths.push_back(group->path);
  return paths;
}

std::vector<std::int16_t> ramp_of_35() {
  std::vector<std::int16_t> values(35);
  std::iota(values.begin(), values.end(), std::int16_t{0});
  return values;
}

TEST(Fixtures, AFileOfKerasInFloat32IsRead) {
  const Reader reader = open(read_data_file("keras_float32.weights.h5"));
  EXPECT_THAT(paths_of(reader),
              ElementsAre("/layers/batch_normalization/vars", "/layers/dense/vars", "/vars"));
  EXPECT_EQ(reader.find("/layers/dense/vars")->name, "head");
  EXPECT_THAT(reader.find("/vars")->datasets, IsEmpty());
  EXPECT_EQ(reader.find("/layers/dense/vars")->datasets.at("0").shape, Shape({2, 3}));
  EXPECT_THAT(read_as<float>(reader, "/layers/dense/vars", "0"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(read_as<float>(reader, "/layers/dense/vars", "1"), ElementsAre(0, 1, 2));
  EXPECT_EQ(reader.find("/layers/batch_normalization/vars")->datasets.size(), 4u);
  EXPECT_THAT(reader.problems(), IsEmpty());
}

TEST(Fixtures, AFileOfKerasInBFloat16IsRead) {
  const Reader reader = open(read_data_file("keras_bfloat16.weights.h5"));
  const Dataset& kernel = reader.find("/layers/dense/vars")->datasets.at("0");
  EXPECT_EQ(kernel.type.dtype, DType::kBFloat16);
  EXPECT_TRUE(kernel.plain);
  std::vector<float> values;
  for (const bfloat16 value : read_as<bfloat16>(reader, "/layers/dense/vars", "0"))
    values.push_back(float(value));
  EXPECT_THAT(values, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Fixtures, AFileOfH5pyInTheEarliestFormatIsRead) {
  const Reader reader = open(read_data_file("h5py_earliest.h5"));
  EXPECT_EQ(reader.find("/vars")->datasets.at("bool").type.dtype, DType::kBool);
  EXPECT_THAT(read_as<unsigned char>(reader, "/vars", "bool"), ElementsAre(1, 0, 1));
  EXPECT_EQ(reader.find("/vars")->datasets.at("half").type.dtype, DType::kFloat16);
  std::vector<float> halves;
  for (const float16 value : read_as<float16>(reader, "/vars", "half"))
    halves.push_back(float(value));
  EXPECT_THAT(halves, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(read_as<double>(reader, "/vars", "big"), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(read_as<std::int16_t>(reader, "/vars", "chunked"), ramp_of_35());
  EXPECT_THAT(read_as<std::int32_t>(reader, "/vars", "scalar"), ElementsAre(7));
  EXPECT_EQ(reader.find("/vars")->datasets.at("empty").shape, Shape({0, 3}));
  EXPECT_EQ(reader.find("/vars")->datasets.at("again").header,
            reader.find("/vars")->datasets.at("half").header);
  EXPECT_EQ(reader.problems().size(), 2u);
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/soft/vars"); }), HasSubstr("SoftLink"));
  EXPECT_THAT(format_error_of([&] { (void)reader.find("/external/vars"); }),
              HasSubstr("ExternalLink"));
}

TEST(Fixtures, AFileOfH5pyInTheLatestFormatIsRead) {
  const Reader reader = open(read_data_file("h5py_latest.h5"));
  EXPECT_EQ(reader.find("/vars")->name, "latest");
  EXPECT_EQ(reader.find("/vars")->datasets.size(), 12u);
  EXPECT_THAT(read_as<float>(reader, "/vars", "11"), ElementsAre(11, 12, 13, 14, 15, 16));
  for (const char* key : {"single", "fixed", "extensible", "btree"}) {
    EXPECT_EQ(read_as<std::int16_t>(reader, "/chunks/vars", key), ramp_of_35()) << key;
  }
}

TEST(Fixtures, AFileThatH5pyCompressedItsOwnWayIsRead) {
  const Reader reader = open(read_data_file("h5py_lzf.h5"));
  const auto repeated = read_as<std::int16_t>(reader, "/vars", "repeated");
  const auto shuffled = read_as<float>(reader, "/vars", "shuffled");
  const auto noise = read_as<std::uint16_t>(reader, "/vars", "noise");
  ASSERT_EQ(repeated.size(), 3000U);
  for (std::uint64_t k = 0; k < 3000; ++k) {
    ASSERT_EQ(repeated[k], static_cast<std::int16_t>(k % 7));
    ASSERT_EQ(shuffled[k], static_cast<float>(k));
    ASSERT_EQ(noise[k], k * 2654435761 % (std::uint64_t{1} << 32) >> 16);
  }
  EXPECT_EQ(read_as<double>(reader, "/vars", "zeros"), std::vector<double>(3000));
}

}  // namespace
}  // namespace lamina::h5::test
