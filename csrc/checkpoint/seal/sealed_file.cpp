#include "checkpoint/seal/sealed_file.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <unordered_set>

#include "core/crc32c.h"

namespace lamina::checkpoint {
namespace {

constexpr const char* kMetadata = "its metadata is damaged";

[[noreturn]] void damaged(const h5::Reader& reader, const std::string& what) {
  throw CorruptionError(fmt::format("'{}': {}.", reader.file().path().string(), what));
}

bool ends_with_mark(const h5::Reader& reader) {
  const auto mark = seal_mark();
  if (reader.size() < mark.size()) return false;
  std::vector<std::byte> end(mark.size());
  reader.file().read_at(reader.base() + reader.size() - mark.size(), end);
  return std::equal(end.begin(), end.end(), mark.begin());
}

/// The seal's datasets in the order of their keys.
std::vector<h5::Dataset> seal_datasets(const h5::Reader& reader, const h5::VarsGroup& group) {
  const h5::LayoutGroup wanted = seal_group(0);
  std::vector<h5::Dataset> out;
  for (const h5::LayoutDataset& dataset : wanted.datasets) {
    const auto found = group.datasets.find(dataset.key);
    const bool fits = found != group.datasets.end() && found->second.plain &&
                      found->second.offset && found->second.type.dtype == dataset.dtype &&
                      found->second.shape.rank() == 1 &&
                      found->second.shape.size() >= dataset.shape.size();
    const bool grows = dataset.key == wanted.datasets.back().key;
    if (!fits || (!grows && found->second.shape != dataset.shape)) {
      damaged(reader, fmt::format("{}: '{}/{}' is not what was saved there", kMetadata, kSealGroup,
                                  dataset.key));
    }
    out.push_back(found->second);
  }
  return out;
}

Seal read_seal(const h5::Reader& reader, const std::vector<h5::Dataset>& datasets) {
  SealDatasets values;
  for (std::size_t k = 0; k < values.size(); ++k) {
    values[k].resize(datasets[k].nbytes);
    reader.read(datasets[k], values[k]);
  }
  Seal seal;
  if (!from_datasets(values, seal)) {
    damaged(reader,
            fmt::format("its seal '{}' is damaged: it does not have its own checksum", kSealGroup));
  }
  return seal;
}

/// Every dataset once, though several groups may have it.
std::vector<SealedTensor> tensors_of(const h5::Reader& reader) {
  std::vector<SealedTensor> out;
  std::unordered_set<std::uint64_t> headers;
  for (const h5::VarsGroup* group : reader.groups()) {
    for (const auto& [key, dataset] : group->datasets) {
      if (dataset.nbytes == 0 || !headers.insert(dataset.header).second) continue;
      if (!dataset.offset) damaged(reader, fmt::format("{}: '{}'", kMetadata, dataset.path));
      out.push_back({{*dataset.offset, dataset.nbytes}, dataset.path, 0});
    }
  }
  std::sort(out.begin(), out.end(), [](const SealedTensor& a, const SealedTensor& b) {
    return a.place.offset < b.place.offset;
  });
  return out;
}

/// What lies around them. They must not overlap.
std::vector<FileRange> rest_of(const h5::Reader& reader, const std::vector<SealedTensor>& tensors,
                               const std::vector<h5::Dataset>& seal) {
  std::vector<FileRange> taken;
  taken.reserve(tensors.size() + seal.size());
  for (const SealedTensor& tensor : tensors) taken.push_back(tensor.place);
  for (const h5::Dataset& dataset : seal) taken.push_back({*dataset.offset, dataset.nbytes});
  std::sort(taken.begin(), taken.end(),
            [](const FileRange& a, const FileRange& b) { return a.offset < b.offset; });
  std::uint64_t end = 0;
  for (const FileRange& range : taken) {
    if (range.offset < end) damaged(reader, fmt::format("{}: datasets overlap", kMetadata));
    end = range.offset + range.size;
  }
  return gaps_between(taken, reader.size());
}

}  // namespace

std::optional<SealedFile> read_sealed_file(const h5::Reader& reader) {
  const bool marked = ends_with_mark(reader);
  const std::optional<h5::VarsGroup> group = reader.look_at(kSealGroup);
  if (!group && !marked) return std::nullopt;
  if (!group) {
    damaged(reader, fmt::format("{}: it was sealed, and has no '{}'", kMetadata, kSealGroup));
  }
  if (!marked) {
    damaged(reader, "it is sealed, and does not end as sealed files do: it was cut short, or grew");
  }
  const std::vector<h5::Dataset> datasets = seal_datasets(reader, *group);
  std::vector<SealedTensor> tensors = tensors_of(reader);
  // Before they are read: a file may declare what no memory holds.
  const auto saved = static_cast<std::size_t>(datasets.back().shape.size() -
                                              seal_group(0).datasets.back().shape.size());
  if (tensors.size() != saved) {
    damaged(reader, fmt::format("{}: {} tensors are found where {} were saved", kMetadata,
                                tensors.size(), saved));
  }
  SealedFile out{read_seal(reader, datasets), std::move(tensors), {}};
  for (std::size_t i = 0; i < out.tensors.size(); ++i) {
    out.tensors[i].crc32c = out.seal.tensors[i];
  }
  out.rest = rest_of(reader, out.tensors, datasets);
  return out;
}

void verify_rest(const SealedFile& sealed, const h5::Reader& reader) {
  std::vector<std::byte> buffer(std::size_t{256} << 10);
  std::uint32_t found = 0;
  for (const FileRange& range : sealed.rest) {
    for (std::uint64_t at = 0; at < range.size; at += buffer.size()) {
      const auto part = std::span(buffer).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), range.size - at)));
      reader.file().read_at(reader.base() + range.offset + at, part);
      found = core::crc32c(part, found);
    }
  }
  if (found == sealed.seal.rest) return;
  damaged(reader, fmt::format("{}: all that is no tensor has the CRC-32C {:08x} where {:08x} was "
                              "saved",
                              kMetadata, found, sealed.seal.rest));
}

std::optional<std::uint32_t> checksum_of(const SealedFile& sealed, const h5::Dataset& dataset) {
  if (!dataset.offset || dataset.nbytes == 0) return {};
  const auto found = std::lower_bound(sealed.tensors.begin(), sealed.tensors.end(), *dataset.offset,
                                      [](const SealedTensor& tensor, std::uint64_t offset) {
                                        return tensor.place.offset < offset;
                                      });
  if (found == sealed.tensors.end() || found->place.offset != *dataset.offset) return {};
  return found->crc32c;
}

void verify_tensor(const SealedFile& sealed, const h5::Reader& reader, const h5::Dataset& dataset,
                   std::span<const std::byte> bytes) {
  const auto expected = checksum_of(sealed, dataset);
  const std::uint32_t found = core::crc32c(bytes);
  if (!expected || *expected == found) return;
  throw CorruptionError(damaged_tensor(reader, dataset.path, *expected, found));
}

std::string damaged_tensor(const h5::Reader& reader, const std::string& path,
                           std::uint32_t expected, std::uint32_t found) {
  return fmt::format(
      "'{}': '{}' is damaged: its bytes have the CRC-32C {:08x} where {:08x} was "
      "saved.",
      reader.file().path().string(), path, found, expected);
}

}  // namespace lamina::checkpoint
