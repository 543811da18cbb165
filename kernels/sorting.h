// Elements in the order of their keys, those of one key in the order in which they came: runs of a
// few by counting, and runs merged with their neighbours until a line is one run. What a thread
// does is the same however long the lines are, and how many.
#pragma once
#include <cstdint>
#include <limits>
#include <utility>

#include "kernels/element.h"
#include "kernels/host_device.h"

namespace lamina::kernels {

/// What is sorted: a key, and the place that it came from.
struct alignas(16) Placed {
  std::int64_t key, place;
};

/// `count` lines of `size` elements, one line after another.
struct Lines {
  std::int64_t count, size;
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t elements() const { return count * size; }
};

/// Sorts each kRun neighbours of a line: one goes behind all that come before it.
struct SortRuns {
  static constexpr std::int64_t kRun = 32;
  Lines lines;
  const Placed* from;
  Placed* to;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t line = i / lines.size * lines.size;
    const std::int64_t begin = line + (i - line) / kRun * kRun;
    const std::int64_t end = begin + kRun < line + lines.size ? begin + kRun : line + lines.size;
    const Placed mine = from[i];
    std::int64_t at = begin;
    for (std::int64_t k = begin; k < end; ++k) {
      at += from[k].key < mine.key || (from[k].key == mine.key && k < i) ? 1 : 0;
    }
    to[at] = mine;
  }
};

/// Merges each two neighbouring runs of a line: of its line element t writes the kWritten places
/// from t * kWritten on, and finds by bisection where in both runs these begin. Of equal keys the
/// left run's come first.
struct MergeRuns {
  static constexpr std::int64_t kWritten = 16;  ///< divides a run
  Lines lines;
  const Placed* from;
  Placed* to;
  std::int64_t run;

  /// Elements that write a line.
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t writers() const {
    return (lines.size + kWritten - 1) / kWritten;
  }
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t line = i / writers(), first = i % writers() * kWritten;
    const Placed* const mine = from + line * lines.size;
    Placed* const out = to + line * lines.size;
    const std::int64_t last = least(first + kWritten, lines.size);
    const std::int64_t begin = first / (2 * run) * (2 * run);
    const std::int64_t middle = least(begin + run, lines.size);
    const std::int64_t end = least(middle + run, lines.size);
    const std::int64_t before = split(mine + begin, middle - begin, end - middle, first - begin);
    std::int64_t left = begin + before, right = middle + (first - begin - before);
    for (std::int64_t at = first; at < last; ++at) {
      const bool from_left = left < middle && (right == end || mine[left].key <= mine[right].key);
      out[at] = mine[from_left ? left++ : right++];
    }
  }

 private:
  static LAMINA_HOST_DEVICE std::int64_t least(std::int64_t a, std::int64_t b) {
    return a < b ? a : b;
  }
  /// How many of the first `taken` of the merged runs are the left one's, which begins at `runs`;
  /// the right one is behind it.
  [[nodiscard]] static LAMINA_HOST_DEVICE std::int64_t split(const Placed* runs, std::int64_t left,
                                                             std::int64_t right,
                                                             std::int64_t taken) {
    std::int64_t low = taken > right ? taken - right : 0, high = least(taken, left);
    while (low < high) {
      const std::int64_t half = (low + high) / 2;
      if (runs[half].key <= runs[left + taken - 1 - half].key) {
        low = half + 1;
      } else {
        high = half;
      }
    }
    return low;
  }
};

/// Sorts lines that lie at `from`, and returns where they then lie: there or at `to`, which holds
/// as many.
template <class Executor>
const Placed* sort_lines(const Lines& lines, Placed* from, Placed* to, Executor& executor) {
  executor.for_each(lines.elements(), SortRuns{lines, from, to});
  for (std::int64_t run = SortRuns::kRun; run < lines.size; run *= 2) {
    std::swap(from, to);
    const MergeRuns merge{lines, from, to, run};
    executor.for_each(lines.count * merge.writers(), merge);
  }
  return to;
}

/// Integers in the order of numbers, NaN behind all others. `zeros_differ`: -0 is before 0, else
/// they are alike.
template <class T>
[[nodiscard]] LAMINA_HOST_DEVICE std::int64_t sort_key(T value, bool zeros_differ) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  if constexpr (is_float_element<T>) {
    const auto number = static_cast<double>(widen(value));
    if (number != number) return std::numeric_limits<std::int64_t>::max();
    std::int64_t bits = 0;
    if (number == 0 && !zeros_differ) return bits;
    static_assert(sizeof bits == sizeof number);
    __builtin_memcpy(&bits, &number, sizeof bits);
    return bits < 0 ? kLeast - bits - 1 : bits;  // larger sizes are less
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return static_cast<std::int64_t>(value ^ static_cast<std::uint64_t>(kLeast));
  } else {
    return static_cast<std::int64_t>(value);
  }
}

/// Where in its line each element of a sorted line was. `descending`: from the greatest on, NaN
/// being the greatest, and 0 greater than -0. The first of equal ones comes first either way.
struct ArgsortJob {
  DType dtype;
  bool descending;
  const void* x;
  std::int32_t* y;
  Placed* sorted;  ///< workspace: 2 * lines.elements()
  Lines lines;
};

template <class T>
struct PlaceKeys {
  ArgsortJob job;
  Placed* to;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t key = sort_key(static_cast<const T*>(job.x)[i], job.descending);
    to[i] = {job.descending ? ~key : key, i % job.lines.size};
  }
};

struct WritePlaces {
  const Placed* sorted;
  std::int32_t* y;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    y[i] = static_cast<std::int32_t>(sorted[i].place);
  }
};

template <class Executor>
bool execute(const ArgsortJob& job, Executor& executor) {
  return dispatch(job.dtype, [&]<class T>(T) {
    Placed* const keys = job.sorted + job.lines.elements();
    executor.for_each(job.lines.elements(), PlaceKeys<T>{job, keys});
    const Placed* sorted = sort_lines(job.lines, keys, job.sorted, executor);
    executor.for_each(job.lines.elements(), WritePlaces{sorted, job.y});
    return true;
  });
}

}  // namespace lamina::kernels
