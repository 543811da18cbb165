#pragma once
#include <lamina/tensor.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/denormals.h"
#include "kernels/updates.h"
#include "training/optimizers/device_update.h"

namespace lamina::training {

/// One variable of a step.
struct UpdateItem : kernels::UpdateArray {
  Shape shape;
  DType dtype = DType::kFloat32;  ///< of everything but slots that say otherwise
  std::int64_t size = 0;
};

/// One step: what is done beside the optimizer's own rule, and to what.
struct Update : kernels::UpdateNumbers {
  std::int64_t iteration = 0;  ///< updates before this one
  std::vector<UpdateItem> items;
  DeviceUpdate* device = nullptr;  ///< where the arrays are; null: on the host
  /// False once a weight was computed that is infinite or NaN.
  mutable std::atomic<bool> finite = true;
};

/// A part of one item, small enough for one thread's turn.
struct Chunk {
  UpdateItem* item;
  std::int64_t begin, end;
};
[[nodiscard]] std::vector<Chunk> chunks_of(std::vector<UpdateItem>& items);

/// Sets multiplier and divisor so that each gradient's norm, or that of all together, is at most
/// `limit`.
void clip_norms(Update& update, double limit);
void clip_global_norm(Update& update, double limit);
/// Adds the gradients to the accumulators; nothing else changes but the averages.
void accumulate(Update& update);

using kernels::compute_t;

/// Elements [begin, end) of the gradient as the optimizer sees it.
template <class S, class T>
void load_gradient(const kernels::GradientRule<T>& rule, const UpdateItem& item, std::int64_t begin,
                   std::int64_t end, T* out) {
  const auto* gradient = static_cast<const S*>(item.gradient) + begin;
  const auto* accumulated = static_cast<const S*>(item.accumulated.in);
  for (std::int64_t i = 0; i < end - begin; ++i) {
    const T sum = accumulated == nullptr ? T(0) : T(accumulated[begin + i]);
    out[i] = rule(T(gradient[i]), sum);
  }
}

template <class S, class T>
void load(const kernels::InOut& stream, std::int64_t begin, std::int64_t count, T* out) {
  const auto* in = static_cast<const S*>(stream.in) + begin;
  for (std::int64_t i = 0; i < count; ++i) out[i] = T(in[i]);
}

template <class S, class T>
void store(const T* in, std::int64_t begin, std::int64_t count, const kernels::InOut& stream) {
  auto* out = static_cast<S*>(stream.out) + begin;
  for (std::int64_t i = 0; i < count; ++i) out[i] = S(in[i]);
}

/// Weights that are computed: moves the average, lets it take their place if it is time, and writes
/// both.
template <class S, class T>
void finish(const Update& update, const UpdateItem& item, std::int64_t begin, std::int64_t count,
            T* w) {
  if (item.average.in != nullptr) {
    const kernels::MovingAverage<T> rule{T(update.average_momentum)};
    const auto* in = static_cast<const S*>(item.average.in) + begin;
    auto* out = static_cast<S*>(item.average.out) + begin;
    for (std::int64_t i = 0; i < count; ++i) {
      out[i] = S(rule(T(in[i]), w[i]));
      if (update.overwrite_with_average) w[i] = T(out[i]);
    }
  }
  int others = 0;  // infinite or NaN
#pragma omp simd reduction(| : others)
  for (std::int64_t i = 0; i < count; ++i) others |= std::isfinite(w[i]) ? 0 : 1;
  if (others != 0) update.finite.store(false, std::memory_order_relaxed);
  store<S>(w, begin, count, item.value);
}

template <class S, class T>
void clear_accumulated(const UpdateItem& item, std::int64_t begin, std::int64_t count) {
  if (item.accumulated.out == nullptr) return;
  auto* out = static_cast<S*>(item.accumulated.out) + begin;
  std::fill(out, out + count, S(T(0)));
}

/// Elements that fit the nearest cache with all that belongs to them.
inline constexpr std::int64_t kBlock = 1024;

/// One block of the step: everything is read, computed and written once.
template <class S, class Step>
void step_block(const Update& update, const UpdateItem& item, const Step& rule, std::int64_t begin,
                std::int64_t count) {
  using T = compute_t<S>;
  std::array<T, kBlock> g, w, s0{}, s1{}, s2{};
  load<S>(item.value, begin, count, w.data());
  if (item.gradient == nullptr) return finish<S>(update, item, begin, count, w.data());
  load_gradient<S>(kernels::gradient_rule<T>(update, item), item, begin, begin + count, g.data());
  clear_accumulated<S, T>(item, begin, count);
  if (item.decays) {
    const kernels::WeightDecay<T> decay{T(update.weight_decay), T(update.learning_rate)};
    for (std::int64_t i = 0; i < count; ++i) w[i] = decay(w[i]);
  }
  if constexpr (Step::kSlots > 0) load<S>(item.slots[0], begin, count, s0.data());
  if constexpr (Step::kSlots > 1) load<S>(item.slots[1], begin, count, s1.data());
  if constexpr (Step::kSlots > 2) load<S>(item.slots[2], begin, count, s2.data());
  for (std::int64_t i = 0; i < count; ++i) rule(g[i], w[i], s0[i], s1[i], s2[i]);
  if constexpr (Step::kSlots > 0) store<S>(s0.data(), begin, count, item.slots[0]);
  if constexpr (Step::kSlots > 1) store<S>(s1.data(), begin, count, item.slots[1]);
  if constexpr (Step::kSlots > 2) store<S>(s2.data(), begin, count, item.slots[2]);
  finish<S>(update, item, begin, count, w.data());
}

/// Calls f with the element type of a floating dtype; `Optimizer::build` lets no others in.
template <class F>
void with_floating(DType dtype, F&& f) {
  dispatch(dtype, [&]<class S>(S) {
    if constexpr (std::is_floating_point_v<S> || std::is_same_v<S, float16> ||
                  std::is_same_v<S, bfloat16>) {
      f(S{});
    }
  });
}

/// Sums over all elements of each item that has a gradient, added up part by part in a fixed order:
/// add(S{}, item, begin, count, sum) adds those of at most kBlock elements of type S.
template <class Sum, class Add>
std::vector<Sum> sums_of(std::vector<UpdateItem>& items, const Add& add) {
  const std::vector<Chunk> chunks = chunks_of(items);
  std::vector<Sum> sums(chunks.size(), Sum{});
  const auto count = static_cast<std::int64_t>(chunks.size());
  const core::ParallelRegion region;
#pragma omp parallel for schedule(static) if (count > 1)
  for (std::int64_t c = 0; c < count; ++c) {
    const core::SameFlushing same(region);
    const Chunk& chunk = chunks[static_cast<std::size_t>(c)];
    if (chunk.item->gradient == nullptr) continue;
    with_floating(chunk.item->dtype, [&]<class S>(S) {
      Sum sum{};
      for (std::int64_t begin = chunk.begin; begin < chunk.end; begin += kBlock) {
        add(S{}, *chunk.item, begin, std::min(kBlock, chunk.end - begin), sum);
      }
      sums[static_cast<std::size_t>(c)] = sum;
    });
  }
  std::vector<Sum> of_items(items.size(), Sum{});
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    of_items[static_cast<std::size_t>(chunks[c].item - items.data())] += sums[c];
  }
  return of_items;
}

/// The whole step: `make(T{})` gives the optimizer's functor for elements computed as T.
template <class Make>
void run_step(Update& update, const Make& make) {
  if (update.device != nullptr) return update.device->step(update, {make(float{}), make(double{})});
  const std::vector<Chunk> chunks = chunks_of(update.items);
  const auto count = static_cast<std::int64_t>(chunks.size());
  const core::ParallelRegion region;
#pragma omp parallel for schedule(static) if (count > 1)
  for (std::int64_t c = 0; c < count; ++c) {
    const core::SameFlushing same(region);
    const Chunk& chunk = chunks[static_cast<std::size_t>(c)];
    with_floating(chunk.item->dtype, [&]<class S>(S) {
      const auto rule = kernels::rule_for(make(compute_t<S>{}), *chunk.item);
      for (std::int64_t begin = chunk.begin; begin < chunk.end; begin += kBlock) {
        step_block<S>(update, *chunk.item, rule, begin, std::min(kBlock, chunk.end - begin));
      }
    });
  }
}

}  // namespace lamina::training
