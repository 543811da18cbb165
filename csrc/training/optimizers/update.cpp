#include "training/optimizers/update.h"

#include <cmath>

#include "core/denormals.h"

namespace lamina::training {
namespace {

constexpr std::int64_t kChunk = 32 * kBlock;

/// Sum of the squares of each item's gradient, before clipping. Added up in double.
std::vector<double> squared_norms(Update& update) {
  if (update.device != nullptr) return update.device->squared_norms(update);
  return sums_of<double>(update.items, [&update]<class S>(S, const UpdateItem& item,
                                                          std::int64_t begin, std::int64_t count,
                                                          double& sum) {
    using T = compute_t<S>;
    std::array<T, kBlock> g;
    load_gradient<S>(kernels::gradient_rule<T>(update, item), item, begin, begin + count, g.data());
    for (std::int64_t i = 0; i < count; ++i) sum += double(g[i]) * double(g[i]);
  });
}

template <class S>
void accumulate_chunk(const Update& update, const UpdateItem& item, const Chunk& chunk) {
  using T = compute_t<S>;
  std::array<T, kBlock> w;
  for (std::int64_t begin = chunk.begin; begin < chunk.end; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, chunk.end - begin);
    if (item.gradient != nullptr) {
      const auto* g = static_cast<const S*>(item.gradient) + begin;
      const auto* in = static_cast<const S*>(item.accumulated.in) + begin;
      auto* out = static_cast<S*>(item.accumulated.out) + begin;
      for (std::int64_t i = 0; i < count; ++i) {
        out[i] = S(T(g[i]) / T(update.loss_scale) + T(in[i]));
      }
    }
    if (item.average.in == nullptr) continue;
    load<S>(item.value, begin, count, w.data());
    finish<S>(update, item, begin, count, w.data());
  }
}

}  // namespace

std::vector<Chunk> chunks_of(std::vector<UpdateItem>& items) {
  std::vector<Chunk> chunks;
  for (UpdateItem& item : items) {
    for (std::int64_t begin = 0; begin < item.size; begin += kChunk) {
      chunks.push_back({&item, begin, std::min(begin + kChunk, item.size)});
    }
  }
  return chunks;
}

void clip_norms(Update& update, double limit) {
  const std::vector<double> norms = squared_norms(update);
  for (std::size_t i = 0; i < norms.size(); ++i) {
    const double norm = std::sqrt(norms[i]);
    update.items[i].multiplier = limit;
    update.items[i].divisor = norm > limit || std::isnan(norm) ? norm : limit;
  }
}

void clip_global_norm(Update& update, double limit) {
  double sum = 0;
  for (const double norm : squared_norms(update)) sum += norm;
  const double norm = std::sqrt(sum);
  // An infinite norm makes every gradient NaN, as in Keras, rather than hide what happened.
  const double scale = limit * std::min(1 / norm, 1 / limit) + (norm - norm);
  for (UpdateItem& item : update.items) item.multiplier = scale;
}

void accumulate(Update& update) {
  if (update.device != nullptr) return update.device->accumulate(update);
  const std::vector<Chunk> chunks = chunks_of(update.items);
  const auto count = static_cast<std::int64_t>(chunks.size());
  const core::ParallelRegion region;
#pragma omp parallel for schedule(static) if (count > 1)
  for (std::int64_t c = 0; c < count; ++c) {
    const core::SameFlushing same(region);
    const Chunk& chunk = chunks[static_cast<std::size_t>(c)];
    with_floating(chunk.item->dtype,
                  [&]<class S>(S) { accumulate_chunk<S>(update, *chunk.item, chunk); });
  }
}

}  // namespace lamina::training
