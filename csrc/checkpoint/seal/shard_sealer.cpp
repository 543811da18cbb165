#include "checkpoint/seal/shard_sealer.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/crc32c.h"

namespace lamina::checkpoint {
namespace {

std::uint32_t add_zeros(std::uint32_t sum, std::uint64_t count) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  while (count > 0) {
    const std::size_t size = std::min<std::uint64_t>(count, kZeros.size());
    sum = core::crc32c(std::span(kZeros).first(size), sum);
    count -= size;
  }
  return sum;
}

/// Most files are laid out in the order of saving.
template <class T, class Before>
void sort_if_needed(std::vector<T>& values, Before before) {
  if (std::is_sorted(values.begin(), values.end(), before)) return;
  std::sort(values.begin(), values.end(), before);
}

/// Of the metadata, of the zeros between the tensors and the seal, and of the mark.
std::uint32_t checksum_of_rest(const h5::Layout& layout, std::vector<FileRange> taken) {
  taken.insert(taken.begin(), {0, layout.metadata.size()});
  std::uint32_t sum = core::crc32c(layout.metadata);
  for (const FileRange& gap : gaps_between(taken, layout.file_size)) sum = add_zeros(sum, gap.size);
  return core::crc32c(seal_mark(), sum);
}

}  // namespace

ShardSealer::ShardSealer(const h5::Layout& layout, const std::vector<FileRange>& tensors, Seal seal)
    : layout_(layout), seal_(std::move(seal)), order_(tensors.size()) {
  for (const FileRange& tensor : tensors) checksums_.emplace_back(tensor.size);
  const auto by_offset = [](const FileRange& a, const FileRange& b) { return a.offset < b.offset; };
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  sort_if_needed(order_,
                 [&](std::size_t a, std::size_t b) { return by_offset(tensors[a], tensors[b]); });
  seal_.tensors.resize(tensors.size());
  std::vector<FileRange> taken;
  taken.reserve(tensors.size() + std::size(kSealKeys));
  for (const std::size_t i : order_) taken.push_back(tensors[i]);
  const SealDatasets datasets = to_datasets(seal_);
  for (std::size_t k = 0; k < datasets.size(); ++k) {
    taken.push_back({layout.offsets.back()[k], datasets[k].size()});
  }
  sort_if_needed(taken, by_offset);
  seal_.rest = checksum_of_rest(layout, std::move(taken));
}

std::uint64_t ShardSealer::file_size() const {
  return layout_.file_size + seal_mark().size();
}

void ShardSealer::write(storage::WritableFile& file) const {
  Seal seal = seal_;
  for (std::size_t i = 0; i < order_.size(); ++i) seal.tensors[i] = checksums_[order_[i]].value();
  const SealDatasets datasets = to_datasets(seal);
  for (std::size_t k = 0; k < datasets.size(); ++k) {
    file.write_at(layout_.offsets.back()[k], datasets[k]);
  }
  file.write_at(layout_.file_size, seal_mark());
}

}  // namespace lamina::checkpoint
