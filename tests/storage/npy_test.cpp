#include "storage/npy_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/error.h>
#include <lamina/npy.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>

#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

using namespace lamina;
using storage::parse_npy_header;
using ::testing::HasSubstr;

namespace {

std::string header(const std::string& dict, char version = 1) {
  std::string text = "\x93NUMPY" + std::string(1, version) + std::string(1, '\0');
  text += static_cast<char>(dict.size() & 0xff);
  text += static_cast<char>(dict.size() >> 8);
  if (version > 1) text += std::string(2, '\0');
  return text + dict;
}

std::string described(const std::string& descr, const std::string& shape,
                      const std::string& order = "False") {
  return header("{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape +
                ", }\n");
}

Tensor read_text(const std::string& text) {
  const lamina::testing::TemporaryDirectory scratch;
  const auto path = scratch / "x.npy";
  std::ofstream(path, std::ios::binary) << text;
  return read_npy(path);
}

/// Why a file with this content is refused; empty when it is not.
std::string refusal(const std::string& text) {
  try {
    (void)read_text(text);
    return "";
  } catch (const FormatError& error) {
    return error.what();
  }
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

Tensor random_tensor(DType dtype, const Shape& shape, std::mt19937_64& random) {
  Tensor tensor = Tensor::empty(shape, dtype);
  for (std::byte& byte : tensor.bytes()) {
    byte = static_cast<std::byte>(dtype == DType::kBool ? random() % 2 : random() % 256);
  }
  return tensor;
}

}  // namespace

TEST(Npy, EveryDTypeAndRankSurvivesTheWayThroughAFile) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const lamina::testing::TemporaryDirectory scratch;
  for (int dtype = 0; dtype <= static_cast<int>(DType::kBool); ++dtype) {
    for (const Shape& shape :
         {Shape{}, Shape{1}, Shape{7}, Shape{3, 5}, Shape{2, 0, 3}, Shape{2, 1, 3, 2, 2}}) {
      const Tensor tensor = random_tensor(static_cast<DType>(dtype), shape, random);
      write_npy(scratch / "x.npy", tensor);
      EXPECT_TRUE(bitwise_equal(read_npy(scratch / "x.npy"), tensor))
          << dtype_name(tensor.dtype()) << shape.str();
    }
  }
}

TEST(Npy, HeaderIsNumPysToTheByte) {
  const lamina::testing::TemporaryDirectory scratch;
  write_npy(scratch / "x.npy", Tensor::from(std::vector<float>{1, 2, 3}, {3}));
  std::ifstream stream(scratch / "x.npy", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  EXPECT_EQ(text,
            header(dict + std::string(117 - dict.size(), ' ') + "\n") + raw<float>({1, 2, 3}));
  EXPECT_EQ((text.size() - 12) % 64, 0U);
}

TEST(Npy, ReadsVersions2And3) {
  const std::string dict = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n";
  for (const char version : {'\2', '\3'}) {
    const Tensor tensor = read_text(header(dict, version) + raw<std::int16_t>({-3, 4}));
    EXPECT_TRUE(bitwise_equal(tensor, Tensor::from(std::vector<std::int16_t>{-3, 4}, {2})));
  }
}

TEST(Npy, BigEndianElementsAreTurned) {
  std::string data = raw<double>({1.5, -2.25});
  std::reverse(data.begin(), data.begin() + 8);
  std::reverse(data.begin() + 8, data.end());
  EXPECT_TRUE(bitwise_equal(read_text(described(">f8", "(2,)") + data),
                            Tensor::from(std::vector<double>{1.5, -2.25}, {2})));
  EXPECT_TRUE(bitwise_equal(read_text(described(">u2", "()") + std::string("\x01\x02", 2)),
                            Tensor::from(std::vector<std::uint16_t>{0x0102}, {})));
}

TEST(Npy, FortranOrderBecomesRowMajor) {
  std::vector<std::int32_t> column_major(24), row_major(24);
  std::iota(row_major.begin(), row_major.end(), 0);
  for (int i = 0, at = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k, ++at)
        column_major[static_cast<std::size_t>(i + 2 * (j + 3 * k))] =
            row_major[static_cast<std::size_t>(at)];
    }
  }
  EXPECT_TRUE(bitwise_equal(read_text(described("<i4", "(2, 3, 4)", "True") + raw(column_major)),
                            Tensor::from(row_major, {2, 3, 4})));
}

TEST(Npy, AnyNonZeroByteIsTrue) {
  const Tensor tensor = read_text(described("|b1", "(3,)") + std::string("\x02\0\xff", 3));
  EXPECT_THAT(tensor.bytes(), ::testing::ElementsAre(std::byte{1}, std::byte{0}, std::byte{1}));
}

TEST(Npy, MissingFileIsNamed) {
  try {
    (void)read_npy("/nonexistent/x.npy");
    FAIL();
  } catch (const FileNotFoundError& error) {
    EXPECT_THAT(error.what(), HasSubstr("/nonexistent/x.npy"));
  }
}

TEST(Npy, HostileHeadersAreRefused) {
  const auto dict = [](const std::string& text) { return header(text) + std::string(4, '\0'); };
  const std::pair<std::string, const char*> cases[] = {
      {"", "does not start"},
      {"\x93NUMPY", "does not start"},
      {"PK\3\4 and so on and on", "does not start"},
      {header("{}", 4), "version 4"},
      {header("{}", 1).substr(0, 11), "ends within its header"},
      {std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14), "claims 4294967295 bytes"},
      {std::string("\x93NUMPY\1\0\xff\xff{}", 12), "ends within its header"},
      {dict("{}"), "lacks one of"},
      {dict(""), "'{' expected"},
      {dict("[1, 2]"), "'{' expected"},
      {dict("{'descr': '<f4', 'shape': (1,)}"), "lacks one of"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x"), "closing brace"},
      {dict("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"), "twice"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}"), "unknown key"},
      {dict("{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}"), "True or False"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (1)}"), "no tuple"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "bad dimension"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"),
       "bad dimension"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}"), "'"},
      {dict("{'descr': '<f4', 'fortran_order': False, 'shape': (((((1,)"), "bad dimension"},
      {dict("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), "string expected"},
      {dict("{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}"), "'}' expected"},
      {dict("{'descr': '<f4"), "does not end"},
      {dict("{'descr"), "does not end"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_THAT(refusal(text), HasSubstr(reason)) << ::testing::PrintToString(text);
    EXPECT_THAT(refusal(text), HasSubstr("x.npy")) << ::testing::PrintToString(text);
  }
}

TEST(Npy, TypesWithoutCounterpartAreRefused) {
  for (const char* descr :
       {"|O", "<U5", "|S3", "<c8", "<f16", "<m8[ns]", "|V3", "f", "", "<", "<f4 "}) {
    EXPECT_THAT(refusal(described(descr, "(0,)")), HasSubstr("has no counterpart")) << descr;
  }
}

TEST(Npy, ShapesThatTheFileDoesNotHoldAreRefusedBeforeMemoryIsTaken) {
  const std::string four(4, '\0');
  for (const char* shape : {"()", "(1,)", "(1, 1)"}) {
    EXPECT_EQ(refusal(described("<f4", shape) + four), "");
    EXPECT_THAT(refusal(described("<f4", shape) + four + "x"), HasSubstr("5 follow the header"));
    EXPECT_THAT(refusal(described("<f4", shape) + "abc"), HasSubstr("3 follow the header"));
  }
  EXPECT_THAT(refusal(described("<f4", "(1099511627776,)") + four),
              HasSubstr("needs 4398046511104 bytes"));
  EXPECT_THAT(refusal(described("<f8", "(9223372036854775807, 2)") + four),
              HasSubstr("than there are addresses"));
  EXPECT_THAT(refusal(described("<f4", "(4294967296, 4294967296, 4294967296)")),
              HasSubstr("addresses"));
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1, ";
  EXPECT_THAT(refusal(described("<f4", many + ")") + four), HasSubstr("more than 64 dimensions"));
}

TEST(Npy, EveryTruncationAndRandomDamageIsAnErrorOrAnArrayOfTheFilesSize) {
  const std::uint64_t seed = lamina::test::fresh_seed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::string good = described("<f4", "(2, 3)") + raw<float>({1, 2, 3, 4, 5, 6});
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(refusal(good.substr(0, length)), "") << length;
  }
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = good;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    const auto bytes = std::as_bytes(std::span(damaged));
    try {
      const storage::NpyHeader parsed = parse_npy_header(bytes, damaged.size(), "x.npy");
      EXPECT_EQ(static_cast<std::size_t>(parsed.shape.size()) * dtype_size(parsed.dtype),
                damaged.size() - parsed.data_offset);
    } catch (const FormatError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}
