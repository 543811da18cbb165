#include "checkpoint/seal/seal.h"

#include <fmt/format.h>

#include <cstring>
#include <random>
#include <string_view>

#include "core/crc32c.h"

namespace lamina::checkpoint {
namespace {

constexpr std::string_view kMark = "\nLamina seal 1\n\n";
static_assert(kMark.size() == 16);

template <class T>
std::vector<std::byte> bytes_of(std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}

std::uint32_t checksum(const SealDatasets& datasets) {
  std::uint32_t sum = 0;
  for (const auto& dataset : datasets) sum = core::crc32c(dataset, sum);
  return sum;
}

std::uint32_t take_number(std::vector<std::byte>& bytes) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + bytes.size() - sizeof number, sizeof number);
  bytes.resize(bytes.size() - sizeof number);
  return number;
}

void append_number(std::vector<std::byte>& bytes, std::uint32_t number) {
  const auto more = std::as_bytes(std::span(&number, 1));
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

SaveId make_save_id() {
  std::random_device device;
  std::array<std::uint32_t, 4> words;
  for (std::uint32_t& word : words) word = device();
  SaveId id;
  std::memcpy(id.data(), words.data(), id.size());
  return id;
}

std::string hex(const SaveId& id) {
  std::string out;
  for (const std::byte byte : id) out += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return out;
}

std::span<const std::byte> seal_mark() {
  return std::as_bytes(std::span(kMark));
}

h5::LayoutGroup seal_group(std::size_t tensors) {
  const auto count = static_cast<std::int64_t>(tensors);
  return {kSealGroup,
          "",
          false,
          {{kSealKeys[0], Shape{16}, DType::kUInt8},
           {kSealKeys[1], Shape{2}, DType::kUInt32},
           {kSealKeys[2], Shape{count + 2}, DType::kUInt32}}};
}

SealDatasets to_datasets(const Seal& seal) {
  const std::uint32_t shard[] = {seal.shard, seal.shards};
  SealDatasets out{bytes_of(std::span<const std::byte>(seal.save)),
                   bytes_of(std::span<const std::uint32_t>(shard)),
                   bytes_of(std::span<const std::uint32_t>(seal.tensors))};
  append_number(out[2], seal.rest);
  append_number(out[2], checksum(out));
  return out;
}

bool from_datasets(const SealDatasets& datasets, Seal& seal) {
  SealDatasets left = datasets;
  const std::uint32_t stated = take_number(left[2]);
  if (stated != checksum(left)) return false;
  seal.rest = take_number(left[2]);
  seal.tensors.resize(left[2].size() / sizeof seal.tensors[0]);
  // A file may have no tensors, and null is no source of bytes.
  if (!seal.tensors.empty()) std::memcpy(seal.tensors.data(), left[2].data(), left[2].size());
  seal.shards = take_number(left[1]);
  seal.shard = take_number(left[1]);
  std::memcpy(seal.save.data(), left[0].data(), seal.save.size());
  return true;
}

}  // namespace lamina::checkpoint
