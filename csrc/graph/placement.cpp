#include "graph/placement.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace lamina::graph {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kAttempts = 12;  // for each order; more hardly ever help
/// Each attempt compares every pair of values: those of a recurrence, step after step, are many.
constexpr std::size_t kMostComparisons = std::size_t{1} << 29;

struct Block {
  std::size_t begin, end;
  std::size_t first, last;  ///< when it is in use
};

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

using Order = std::vector<std::size_t>;

/// Where a value goes between those `placed` (sorted by begin) that are in use at the same time:
/// the tightest gap, or just the first.
std::size_t find_gap(const std::vector<Block>& placed, const Lifetime& life, bool tightest) {
  constexpr std::size_t kNoGap = std::numeric_limits<std::size_t>::max();
  const std::size_t bytes = aligned(life.bytes);
  std::size_t free_from = 0, best = 0, best_gap = kNoGap;
  for (const Block& block : placed) {
    if (block.last < life.first || life.last < block.first) continue;
    if (block.begin >= free_from + bytes && block.begin - free_from < best_gap) {
      best = free_from;
      best_gap = block.begin - free_from;
      if (!tightest) return best;
    }
    free_from = std::max(free_from, block.end);
  }
  return best_gap == kNoGap ? free_from : best;
}

Placement place_in_order(const std::vector<Lifetime>& lifetimes, const Order& order,
                         bool tightest) {
  Placement placement{std::vector<std::size_t>(lifetimes.size(), 0), 0};
  std::vector<Block> placed;
  placed.reserve(order.size());
  for (const std::size_t i : order) {
    const Lifetime& life = lifetimes[i];
    const std::size_t begin = find_gap(placed, life, tightest);
    const Block block{begin, begin + aligned(life.bytes), life.first, life.last};
    const auto before = [](const Block& a, const Block& b) { return a.begin < b.begin; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block, before), block);
    placement.offsets[i] = begin;
    placement.bytes = std::max(placement.bytes, block.end);
  }
  return placement;
}

template <class Key>
Order largest_first(const std::vector<Lifetime>& lifetimes, Key key) {
  Order order;
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    if (lifetimes[i].bytes != 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return key(lifetimes[a]) > key(lifetimes[b]);
  });
  return order;
}

std::vector<Order> promising_orders(const std::vector<Lifetime>& lifetimes) {
  const auto steps = [](const Lifetime& life) { return life.last - life.first + 1; };
  return {
      largest_first(lifetimes, [](const Lifetime& life) { return life.bytes; }),
      largest_first(lifetimes, [&](const Lifetime& life) { return life.bytes * steps(life); }),
      largest_first(lifetimes,
                    [&](const Lifetime& life) { return std::pair(steps(life), life.bytes); }),
  };
}

std::size_t most_alive(const std::vector<Lifetime>& lifetimes) {
  std::size_t steps = 0;
  for (const Lifetime& life : lifetimes) steps = std::max(steps, life.last + 2);
  std::vector<std::size_t> begins(steps, 0), ends(steps, 0);
  for (const Lifetime& life : lifetimes) {
    begins[life.first] += aligned(life.bytes);
    ends[life.last + 1] += aligned(life.bytes);
  }
  std::size_t alive = 0, most = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    alive = alive + begins[step] - ends[step];
    most = std::max(most, alive);
  }
  return most;
}

/// Moves the block that reaches furthest to the front: it is the one that found no room.
void promote_highest(Order& order, const Placement& placement,
                     const std::vector<Lifetime>& lifetimes) {
  const auto highest = std::find_if(order.begin(), order.end(), [&](std::size_t i) {
    return placement.offsets[i] + aligned(lifetimes[i].bytes) == placement.bytes;
  });
  if (highest != order.end()) std::rotate(order.begin(), highest, highest + 1);
}

}  // namespace

Placement place(const std::vector<Lifetime>& lifetimes) {
  const std::size_t bound = most_alive(lifetimes);
  Placement best{{}, std::numeric_limits<std::size_t>::max()};
  std::vector<Order> orders = promising_orders(lifetimes);
  const std::size_t values = std::max<std::size_t>(1, orders.front().size());
  const std::size_t attempts =
      std::clamp<std::size_t>(kMostComparisons / (values * values), 1, kAttempts);
  for (Order& order : orders) {
    for (std::size_t attempt = 0; attempt < attempts && best.bytes > bound; ++attempt) {
      Placement placement = place_in_order(lifetimes, order, attempt % 2 == 0);
      promote_highest(order, placement, lifetimes);
      if (placement.bytes < best.bytes) best = std::move(placement);
    }
  }
  return best;
}

}  // namespace lamina::graph
