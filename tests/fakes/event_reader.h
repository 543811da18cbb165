#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::testing {

/// A number of an event file.
struct Scalar {
  std::string tag;
  std::int64_t step = 0;
  float value = 0;
  friend bool operator==(const Scalar&, const Scalar&) = default;
};

/// Fields of a protobuf message, each its number and its bytes: those of a varint as a number's.
inline std::vector<std::pair<std::uint64_t, std::string>> fields_of(std::string_view message) {
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(message.at(0));
      message.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
  };
  std::vector<std::pair<std::uint64_t, std::string>> fields;
  while (!message.empty()) {
    const std::uint64_t key = varint();
    std::string bytes;
    if ((key & 7) == 0) {
      const std::uint64_t value = varint();
      bytes.assign(reinterpret_cast<const char*>(&value), sizeof value);
    } else {
      const std::uint64_t size = (key & 7) == 1 ? 8 : varint();
      bytes = message.substr(0, size);
      EXPECT_EQ(bytes.size(), size);
      message.remove_prefix(bytes.size());
    }
    fields.emplace_back(key >> 3, std::move(bytes));
  }
  return fields;
}

inline std::string field(std::string_view message, std::uint64_t number) {
  for (const auto& [key, bytes] : fields_of(message)) {
    if (key == number) return bytes;
  }
  return {};
}

template <class T>
T number_in(const std::string& bytes) {
  T value{};
  EXPECT_EQ(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

/// The CRC-32C of a record's parts, bit by bit, masked.
inline std::uint32_t record_checksum(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<std::uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

/// The numbers in an event file, in their order. Whatever is wrong with the file fails the test.
inline std::vector<Scalar> read_event_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::string_view rest = all;
  std::vector<Scalar> scalars;
  for (bool first = true; !rest.empty(); first = false) {
    const auto take = [&](std::size_t count) {
      const std::string part(rest.substr(0, count));
      EXPECT_EQ(part.size(), count) << path << " ends within a record";
      rest.remove_prefix(part.size());
      return part;
    };
    const std::string length = take(8);
    EXPECT_EQ(number_in<std::uint32_t>(take(4)), record_checksum(length)) << path;
    const std::string event = take(number_in<std::uint64_t>(length));
    EXPECT_EQ(number_in<std::uint32_t>(take(4)), record_checksum(event)) << path;
    if (::testing::Test::HasFailure()) return scalars;
    if (first) {
      EXPECT_EQ(field(event, 3), "brain.Event:2") << path;
      continue;
    }
    const std::string value = field(field(event, 5), 1), tensor = field(value, 8);
    EXPECT_EQ(field(field(field(value, 9), 1), 1), "scalars");
    EXPECT_EQ(number_in<std::uint64_t>(field(tensor, 1)), 1U);  // DT_FLOAT
    scalars.push_back({field(value, 1), number_in<std::int64_t>(field(event, 2)),
                       number_in<float>(field(tensor, 4))});
  }
  return scalars;
}

/// The event files of a directory.
inline std::vector<std::filesystem::path> event_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    EXPECT_TRUE(entry.path().filename().string().starts_with("events.out.tfevents."));
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace lamina::testing
