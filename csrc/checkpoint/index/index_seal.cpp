#include "checkpoint/index/index_seal.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <charconv>

#include "checkpoint/names/paths.h"
#include "core/crc32c.h"

namespace lamina::checkpoint {
namespace {

constexpr std::string_view kBegin = ",\n        \"lamina\": {\n            \"save\": \"";
constexpr std::string_view kMiddle = "\",\n            \"crc32c\": \"";
constexpr std::string_view kEnd = "\"\n        }";
constexpr std::string_view kNoDigits = "00000000";

std::uint32_t checksum(std::string_view text) {
  return core::crc32c(std::as_bytes(std::span(text)));
}

/// Lower case only: no other text means the same.
template <class T>
std::optional<T> parse_hex(std::string_view digits) {
  T value{};
  if (digits.find_first_not_of("0123456789abcdef") != digits.npos) return {};
  const char* end = digits.data() + digits.size();
  if (std::from_chars(digits.data(), end, value, 16).ptr != end) return {};
  return value;
}

std::optional<SaveId> parse_id(std::string_view digits) {
  SaveId id;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const auto byte = parse_hex<unsigned char>(digits.substr(2 * i, 2));
    if (!byte) return {};
    id[i] = static_cast<std::byte>(*byte);
  }
  return id;
}

/// Takes `count` characters off the front of `text`, and the `end` behind them.
std::optional<std::string_view> take(std::string_view& text, std::size_t count,
                                     std::string_view end) {
  if (text.size() < count || !text.substr(count).starts_with(end)) return {};
  const std::string_view taken = text.substr(0, count);
  text.remove_prefix(count + end.size());
  return taken;
}

}  // namespace

std::string sealed_index_text(const Index& index, const SaveId& save) {
  const std::string seal = fmt::format("{}{}{}{}{}", kBegin, hex(save), kMiddle, kNoDigits, kEnd);
  std::string text = index_text(index, seal);
  const std::size_t digits = text.find(kMiddle) + kMiddle.size();
  text.replace(digits, kNoDigits.size(), fmt::format("{:08x}", checksum(text)));
  return text;
}

std::optional<IndexSeal> find_index_seal(std::string_view text) {
  const std::size_t begin = text.find(kBegin);
  if (begin == text.npos) return {};
  std::string_view left = text.substr(begin + kBegin.size());
  const auto id = take(left, 2 * sizeof(SaveId), kMiddle);
  const auto digits = id ? take(left, kNoDigits.size(), kEnd) : std::nullopt;
  if (!digits) return {};
  const auto save = parse_id(*id);
  const auto stated = parse_hex<std::uint32_t>(*digits);
  if (!save || !stated) return {};
  std::string same(text);
  same.replace(static_cast<std::size_t>(digits->data() - text.data()), kNoDigits.size(), kNoDigits);
  return IndexSeal{*save, *stated, checksum(same)};
}

void verify_index(const std::filesystem::path& index, const std::optional<IndexSeal>& seal) {
  if (!seal || seal->stated == seal->found) return;
  throw CorruptionError(
      fmt::format("The index '{}' is damaged: it has the CRC-32C {:08x} where "
                  "{:08x} was saved.",
                  index.string(), seal->found, seal->stated));
}

void verify_membership(const std::filesystem::path& index, const std::optional<IndexSeal>& seal,
                       const h5::Reader& shard, const std::optional<SealedFile>& sealed) {
  const auto name = shard.file().path().string();
  if (!seal && !sealed) return;
  if (!seal) {
    throw CorruptionError(
        fmt::format("The index '{}' is not sealed, and its shard '{}' is: the index belongs to "
                    "another save, or is damaged.",
                    index.string(), name));
  }
  if (!sealed) {
    throw CorruptionError(
        fmt::format("'{}' is not sealed, and the index '{}' is: the shard belongs to another save, "
                    "or is damaged.",
                    name, index.string()));
  }
  if (sealed->seal.save != seal->save) {
    throw CorruptionError(
        fmt::format("'{}' belongs to the save {}, and the index '{}' to the save "
                    "{}.",
                    name, hex(sealed->seal.save), index.string(), hex(seal->save)));
  }
  if (!name.ends_with(shard_name("", sealed->seal.shard))) {
    throw CorruptionError(fmt::format("'{}' holds shard {} of {}, which has another name.", name,
                                      sealed->seal.shard, sealed->seal.shards));
  }
}

}  // namespace lamina::checkpoint
