#include "h5/read/reader.h"

#include <gmock/gmock.h>
#include <lamina/error.h>

#include <numeric>
#include <random>

#include "hdf5_image.h"
#include "tests/fresh_seed.h"

namespace lamina::h5::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::mt19937_64& random_source() {
  static const std::uint64_t seed = lamina::test::fresh_seed();
  static std::mt19937_64 source{(std::cout << "seed " << seed << "\n", seed)};
  return source;
}

std::vector<std::byte> random_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_source()());
  return bytes;
}

struct TypeCase {
  const char* name;
  hid_t type;
  DType dtype;
};

class EveryType : public testing::TestWithParam<Format> {};

TEST_P(EveryType, ComesBackToTheBit) {
  const Handle half = float16_type();
  const TypeCase cases[] = {
      {"float32", H5T_IEEE_F32LE, DType::kFloat32}, {"float64", H5T_IEEE_F64LE, DType::kFloat64},
      {"float16", half, DType::kFloat16},           {"int8", H5T_STD_I8LE, DType::kInt8},
      {"int16", H5T_STD_I16LE, DType::kInt16},      {"int32", H5T_STD_I32LE, DType::kInt32},
      {"int64", H5T_STD_I64LE, DType::kInt64},      {"uint8", H5T_STD_U8LE, DType::kUInt8},
      {"uint16", H5T_STD_U16LE, DType::kUInt16},    {"uint32", H5T_STD_U32LE, DType::kUInt32},
      {"uint64", H5T_STD_U64LE, DType::kUInt64},
  };
  Hdf5Image image(GetParam());
  std::map<std::string, std::vector<std::byte>> written;
  for (const TypeCase& c : cases) {
    written[c.name] = random_bytes(6 * dtype_size(c.dtype));
    image.dataset(std::string("vars/") + c.name, c.type, {2, 3}, written[c.name].data());
  }
  const Reader reader = open(image.bytes());
  const VarsGroup* vars = reader.find("/vars");
  ASSERT_NE(vars, nullptr);
  ASSERT_EQ(vars->datasets.size(), std::size(cases));
  for (const TypeCase& c : cases) {
    const Dataset& dataset = vars->datasets.at(c.name);
    EXPECT_EQ(dataset.path, std::string("/vars/") + c.name);
    EXPECT_EQ(dataset.shape, Shape({2, 3})) << c.name;
    ASSERT_EQ(dataset.type.dtype, c.dtype) << c.name;
    EXPECT_EQ(dataset.type.description, c.name);
    EXPECT_TRUE(dataset.plain) << c.name;
    EXPECT_EQ(read_as<std::byte>(reader, "/vars", c.name), written[c.name]) << c.name;
    std::vector<std::byte> in_place(dataset.nbytes);
    reader.file().read_at(reader.base() + *dataset.offset, in_place);
    EXPECT_EQ(in_place, written[c.name]) << c.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryType, testing::Values(Format::kEarliest, Format::kLatest));

TEST(Reader, SwapsBigEndianElements) {
  Hdf5Image image;
  const float floats[] = {1.5f, -2.25f};
  const std::int16_t shorts[] = {258, -3};
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  image.group("vars");
  const auto write = [&](const char* path, hid_t file_type, hid_t memory_type, const void* data) {
    const hsize_t two = 2;
    const Handle line(H5Screate_simple(1, &two, nullptr), H5Sclose);
    const Handle set(
        H5Dcreate2(image.file(), path, file_type, line, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Dclose);
    checked(H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
  };
  write("vars/0", H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, floats);
  write("vars/1", H5T_STD_I16BE, H5T_NATIVE_SHORT, shorts);
  const Reader reader = open(image.bytes());
  EXPECT_THAT(read_as<float>(reader, "/vars", "0"), ElementsAre(1.5f, -2.25f));
  EXPECT_THAT(read_as<std::int16_t>(reader, "/vars", "1"), ElementsAre(258, -3));
  const Dataset& dataset = reader.find("/vars")->datasets.at("0");
  EXPECT_FALSE(dataset.plain);
  EXPECT_TRUE(dataset.type.big_endian);
  EXPECT_EQ(dataset.type.description, "float32 big-endian");
}

TEST(Reader, NormalisesBoolToZeroAndOne) {
  Hdf5Image image;
  const unsigned char data[] = {0, 1, 2, 255};
  image.dataset("vars/0", bool_type(), {4}, data);
  const Reader reader = open(image.bytes());
  const Dataset& dataset = reader.find("/vars")->datasets.at("0");
  EXPECT_EQ(dataset.type.dtype, DType::kBool);
  EXPECT_FALSE(dataset.plain);
  EXPECT_THAT(read_as<unsigned char>(reader, "/vars", "0"), ElementsAre(0, 1, 1, 1));
}

TEST(Reader, TakesOpaqueForBFloat16OnlyAsKerasDoes) {
  Hdf5Image image;
  const std::uint16_t data[] = {0x3f80, 0xc000};
  image.dataset("vars/good", opaque_type(), {2}, data);
  image.attribute("vars/good", "dtype", "bfloat16");
  image.dataset("vars/no_attribute", opaque_type(), {2}, data);
  image.dataset("vars/fixed", opaque_type(), {2}, data);
  image.attribute("vars/fixed", "dtype", "bfloat16", false);
  image.dataset("vars/tagged", opaque_type("bfloat16"), {2}, data);
  image.attribute("vars/tagged", "dtype", "bfloat16");
  image.dataset("vars/other", opaque_type(), {2}, data);
  image.attribute("vars/other", "dtype", "float16");
  const Reader reader = open(image.bytes());
  const auto& datasets = reader.find("/vars")->datasets;
  EXPECT_EQ(datasets.at("good").type.dtype, DType::kBFloat16);
  EXPECT_TRUE(datasets.at("good").plain);
  EXPECT_THAT(read_as<std::uint16_t>(reader, "/vars", "good"), ElementsAre(0x3f80, 0xc000));
  for (const char* key : {"no_attribute", "fixed", "tagged", "other"}) {
    EXPECT_EQ(datasets.at(key).type.dtype, std::nullopt) << key;
    EXPECT_THAT(format_error_of([&] { (void)read_as<std::uint16_t>(reader, "/vars", key); }),
                HasSubstr("test.weights.h5: /vars/" + std::string(key) +
                          ": elements of the type opaque(2)"));
  }
}

TEST(Reader, ReadsScalarsAndEmptyDatasets) {
  for (const Format format : {Format::kEarliest, Format::kLatest}) {
    Hdf5Image image(format);
    const double value = 3.25;
    image.dataset("vars/0", H5T_IEEE_F64LE, {}, &value);
    image.dataset("vars/1", H5T_IEEE_F32LE, {0, 3}, nullptr);
    image.group("empty/vars");
    const Reader reader = open(image.bytes());
    EXPECT_THAT(read_as<double>(reader, "/vars", "0"), ElementsAre(3.25));
    EXPECT_EQ(reader.find("/vars")->datasets.at("0").shape, Shape());
    const Dataset& empty = reader.find("/vars")->datasets.at("1");
    EXPECT_EQ(empty.shape, Shape({0, 3}));
    EXPECT_EQ(empty.nbytes, 0u);
    EXPECT_TRUE(empty.plain);
    EXPECT_TRUE(read_as<float>(reader, "/vars", "1").empty());
    ASSERT_NE(reader.find("/empty/vars"), nullptr);
    EXPECT_TRUE(reader.find("/empty/vars")->datasets.empty());
  }
}

TEST(Reader, GivesTheFillValueForWhatWasNeverWritten) {
  Hdf5Image image;
  const Handle creation = creation_list();
  const float fill = 7.5f;
  checked(H5Pset_fill_value(creation, H5T_IEEE_F32LE, &fill));
  image.dataset("vars/0", H5T_IEEE_F32LE, {3}, nullptr, creation);
  image.dataset("vars/1", H5T_IEEE_F32LE, {2}, nullptr);
  const Reader reader = open(image.bytes());
  EXPECT_THAT(read_as<float>(reader, "/vars", "0"), ElementsAre(7.5f, 7.5f, 7.5f));
  EXPECT_THAT(read_as<float>(reader, "/vars", "1"), ElementsAre(0.f, 0.f));
  EXPECT_FALSE(reader.find("/vars")->datasets.at("0").plain);
}

TEST(Reader, FindsGroupsAndTheirNames) {
  Hdf5Image image;
  const float value = 1;
  image.dataset("layers/dense/vars/0", H5T_IEEE_F32LE, {1}, &value);
  image.attribute("layers/dense/vars", "name", "köpfchen");
  image.dataset("layers/dense/vars/lora/0", H5T_IEEE_F32LE, {1}, &value);
  image.group("layers/dropout/vars");
  image.group("optimizer/vars");
  const Reader reader = open(image.bytes());
  std::vector<std::string> paths;
  for (const VarsGroup* group : reader.groups()) paths.push_back(group->path);
  EXPECT_THAT(paths, ElementsAre("/layers/dense/vars", "/layers/dropout/vars", "/optimizer/vars"));
  const VarsGroup* dense = reader.find("/layers/dense/vars");
  EXPECT_EQ(dense->name, "köpfchen");
  EXPECT_EQ(dense, reader.groups()[0]);
  EXPECT_EQ(dense->datasets.size(), 2u);
  EXPECT_EQ(dense->datasets.at("lora/0").path, "/layers/dense/vars/lora/0");
  EXPECT_EQ(reader.find("/layers/dropout/vars")->name, std::nullopt);
  EXPECT_EQ(reader.find("/layers/missing/vars"), nullptr);
  EXPECT_EQ(reader.find("/vars"), nullptr);
  EXPECT_TRUE(reader.has_root_member("layers"));
  EXPECT_FALSE(reader.has_root_member("_layer_checkpoint_dependencies"));
  EXPECT_TRUE(reader.problems().empty());
  EXPECT_THAT(
      format_error_of([&] { (void)reader.find("/layers/dense/vars/0/vars"); }),
      HasSubstr("/layers/dense/vars/0: Invalid H5 file, expected Group but received Dataset"));
}

TEST(Reader, ReadsAFileWithinAnother) {
  Hdf5Image image;
  const std::int32_t value = 42;
  image.dataset("vars/0", H5T_STD_I32LE, {1}, &value);
  const std::vector<std::byte> inner = image.bytes();
  std::vector<std::byte> outer = random_bytes(1000);
  outer.insert(outer.end(), inner.begin(), inner.end());
  const std::vector<std::byte> after = random_bytes(100);
  outer.insert(outer.end(), after.begin(), after.end());
  const Reader reader(in_memory(outer), 1000, inner.size());
  EXPECT_THAT(read_as<std::int32_t>(reader, "/vars", "0"), ElementsAre(42));
  EXPECT_EQ(reader.base(), 1000u);
  EXPECT_THAT(format_error_of([&] { Reader(in_memory(outer), 1000, inner.size() - 1); }),
              HasSubstr("truncated file"));
  EXPECT_THAT(format_error_of([&] { Reader(in_memory(outer), outer.size() + 1); }),
              HasSubstr("it ends before"));
}

}  // namespace
}  // namespace lamina::h5::test
