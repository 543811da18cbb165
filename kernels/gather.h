// Rows of a table, and the gradients that they gather. An id names a row; many may name the same.
#pragma once
#include <utility>

#include "kernels/element.h"
#include "kernels/pack.h"

namespace lamina::kernels {

/// A number of any dtype as a row, or -1 when it is none; floats are truncated.
struct Ids {
  DType dtype;
  const void* values;
  std::int64_t rows;

  template <class T>
  LAMINA_HOST_DEVICE std::int64_t row(std::int64_t i) const {
    const T id = static_cast<const T*>(values)[i];
    if constexpr (is_float_element<T>) {
      const double value = static_cast<double>(widen(id));
      // Written so that NaN is refused.
      return value > -1.0 && value < static_cast<double>(rows) ? static_cast<std::int64_t>(value)
                                                               : -1;
    } else {
      const std::int64_t value = static_cast<std::int64_t>(id);
      return value >= 0 && value < rows ? value : -1;
    }
  }
  LAMINA_HOST_DEVICE std::int64_t operator[](std::int64_t i) const {
    switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return row<type>(i);
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
    }
    return -1;
  }
};

/// Rows of a table. `refused`: one byte an id; 1 where it names no row, and y's row is zeros.
struct GatherJob {
  std::size_t element;
  Ids ids;
  const void* table;
  void* y;
  std::uint8_t* refused;
  std::int64_t count, width;
};

template <class T>
struct GatherMap {
  GatherJob job;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return job.width % kPack == 0 &&
           aligned<kPack>(static_cast<const T*>(job.table), static_cast<const T*>(job.y));
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    const std::int64_t row = job.ids[i / job.width];
    if (i % job.width == 0) job.refused[i / job.width] = row < 0;
    T values[N] = {};
    if (row >= 0) load(static_cast<const T*>(job.table), row * job.width + i % job.width, values);
    store(static_cast<T*>(job.y), i, values);
  }
};

template <class Executor>
bool execute(const GatherJob& job, Executor& executor) {
  return dispatch_bytes(job.element, [&]<class T>(T) {
    executor.for_each(job.count * job.width, GatherMap<T>{job});
  });
}

/// An id's row (-1: none) and its place among the ids.
struct alignas(16) PlacedId {
  std::int64_t row, place;
};

/// Each row of y: the sum of dy of its ids; those that name no row are left out. The ids are sorted
/// by row, those of one row in their order, and cut into stretches; a row's sum in a stretch is
/// made by one thread, and where it goes on behind it, by one thread of these in their order. So a
/// sum is the same whichever thread comes first, and neither a large table nor a row that most ids
/// name takes long.
struct GatherGradientJob {
  DType dtype;
  Ids ids;
  const void* dy;
  void* y;
  PlacedId* sorted;  ///< workspace: 2 * count
  void* open;        ///< workspace: open_sums() numbers of the type that elements are computed in
  std::int64_t count, width;

  /// Ids in a stretch: few, so that many threads add, but not many stretches for one thread to put
  /// together.
  [[nodiscard]] static std::int64_t stretch_of(std::int64_t count) {
    std::int64_t stretch = 16;
    while (stretch * stretch * 16 < count) stretch *= 2;
    return stretch;
  }
  /// Of a row that an earlier stretch began, and of one that goes on in a later one.
  [[nodiscard]] static std::int64_t open_sums(std::int64_t count, std::int64_t width) {
    const std::int64_t stretch = stretch_of(count);
    return 2 * ((count + stretch - 1) / stretch) * width;
  }
};

struct PlaceIds {
  Ids ids;
  PlacedId* to;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const { to[i] = {ids[i], i}; }
};

/// Sorts each kRun neighbours: an id goes behind all that come before it.
struct SortRuns {
  static constexpr std::int64_t kRun = 32;
  const PlacedId* from;
  PlacedId* to;
  std::int64_t count;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t begin = i / kRun * kRun;
    const std::int64_t end = begin + kRun < count ? begin + kRun : count;
    const PlacedId mine = from[i];
    std::int64_t at = begin;
    for (std::int64_t k = begin; k < end; ++k) {
      at += from[k].row < mine.row || (from[k].row == mine.row && k < i) ? 1 : 0;
    }
    to[at] = mine;
  }
};

/// Merges each two neighbouring runs: element t writes the kWritten places from t * kWritten on,
/// and finds by bisection where in both runs these begin. Of equal rows the left run's come first.
struct MergeRuns {
  static constexpr std::int64_t kWritten = 16;  ///< divides a run
  const PlacedId* from;
  PlacedId* to;
  std::int64_t count, run;

  LAMINA_HOST_DEVICE void operator()(std::int64_t t) const {
    const std::int64_t first = t * kWritten;
    const std::int64_t last = least(first + kWritten, count);
    const std::int64_t begin = first / (2 * run) * (2 * run);
    const std::int64_t middle = least(begin + run, count), end = least(middle + run, count);
    const std::int64_t before = split(begin, middle, end, first - begin);
    std::int64_t left = begin + before, right = middle + (first - begin - before);
    for (std::int64_t at = first; at < last; ++at) {
      const bool from_left = left < middle && (right == end || from[left].row <= from[right].row);
      to[at] = from[from_left ? left++ : right++];
    }
  }

 private:
  static LAMINA_HOST_DEVICE std::int64_t least(std::int64_t a, std::int64_t b) {
    return a < b ? a : b;
  }
  /// How many of the first `taken` of the merged runs are the left one's.
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t split(std::int64_t begin, std::int64_t middle,
                                                      std::int64_t end, std::int64_t taken) const {
    std::int64_t low = taken > end - middle ? taken - (end - middle) : 0;
    std::int64_t high = least(taken, middle - begin);
    while (low < high) {
      const std::int64_t half = (low + high) / 2;
      if (from[begin + half].row <= from[middle + taken - 1 - half].row) {
        low = half + 1;
      } else {
        high = half;
      }
    }
    return low;
  }
};

template <class T>
struct ZeroMap {
  T* y;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(static_cast<const T*>(y)); }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    const compute_t<T> zeros[N] = {};
    store(y, i, zeros);
  }
};

/// The sorted ids in stretches; index i is column i % width of stretch i / width.
template <class T>
struct Stretches {
  using C = compute_t<T>;
  GatherGradientJob job;
  const PlacedId* sorted;
  std::int64_t stretch;

  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t end(std::int64_t s) const {
    return (s + 1) * stretch < job.count ? (s + 1) * stretch : job.count;
  }
  /// Whether the ids before and at `at` are of one row.
  [[nodiscard]] LAMINA_HOST_DEVICE bool goes_on(std::int64_t at) const {
    return at > 0 && at < job.count && sorted[at - 1].row == sorted[at].row;
  }
  /// The sums of the rows that earlier stretches began; behind them those that go on.
  [[nodiscard]] LAMINA_HOST_DEVICE C* continued() const { return static_cast<C*>(job.open); }
  [[nodiscard]] LAMINA_HOST_DEVICE C* begun() const {
    return continued() + (job.count + stretch - 1) / stretch * job.width;
  }
  LAMINA_HOST_DEVICE void write(std::int64_t row, std::int64_t column, C sum) const {
    static_cast<T*>(job.y)[row * job.width + column] = narrow<T>(sum);
  }
};

template <class T>
struct SumStretches {
  using C = compute_t<T>;
  Stretches<T> all;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t width = all.job.width, s = i / width, column = i - s * width;
    const T* dy = static_cast<const T*>(all.job.dy) + column;
    const std::int64_t first = s * all.stretch, end = all.end(s);
    bool earlier = all.goes_on(first);
    C sum = 0;
    for (std::int64_t k = first; k < end; ++k) {
      const PlacedId id = all.sorted[k];
      if (id.row < 0) {
        earlier = false;
        continue;
      }
      sum += widen(dy[id.place * width]);
      const bool on = all.goes_on(k + 1);
      if (on && k + 1 < end) continue;
      if (earlier) {
        all.continued()[i] = sum;
      } else if (on) {
        all.begun()[i] = sum;
      } else {
        all.write(id.row, column, sum);
      }
      earlier = false;
      sum = 0;
    }
  }
};

template <class T>
struct JoinStretches {
  using C = compute_t<T>;
  Stretches<T> all;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t width = all.job.width, s = i / width, column = i - s * width;
    const std::int64_t first = s * all.stretch, end = all.end(s);
    const std::int64_t row = all.sorted[end - 1].row;
    if (row < 0 || !all.goes_on(end)) return;
    // The stretch in which the row begins puts it together.
    if (all.goes_on(first) && all.sorted[first].row == row) return;
    const std::int64_t last = (end_of(row, end) - 1) / all.stretch;
    C sum = all.begun()[i];
    for (std::int64_t k = s + 1; k <= last; ++k) sum += all.continued()[k * width + column];
    all.write(row, column, sum);
  }

 private:
  /// Behind the row's last id, which is at `from` or later.
  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t end_of(std::int64_t row, std::int64_t from) const {
    std::int64_t low = from, high = all.job.count;
    while (low < high) {
      const std::int64_t half = low + (high - low) / 2;
      if (all.sorted[half].row == row) {
        low = half + 1;
      } else {
        high = half;
      }
    }
    return low;
  }
};

/// Returns where in `sorted` (2 * count) the ids lie sorted.
template <class Executor>
const PlacedId* sort_ids(const Ids& ids, PlacedId* sorted, std::int64_t count, Executor& executor) {
  PlacedId *from = sorted + count, *to = sorted;
  executor.for_each(count, PlaceIds{ids, from});
  executor.for_each(count, SortRuns{from, to, count});
  for (std::int64_t run = SortRuns::kRun; run < count; run *= 2) {
    std::swap(from, to);
    executor.for_each((count + MergeRuns::kWritten - 1) / MergeRuns::kWritten,
                      MergeRuns{from, to, count, run});
  }
  return to;
}

template <class Executor>
bool execute(const GatherGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.for_each(job.ids.rows * job.width, ZeroMap<T>{static_cast<T*>(job.y)});
    const PlacedId* sorted = sort_ids(job.ids, job.sorted, job.count, executor);
    const Stretches<T> all{job, sorted, GatherGradientJob::stretch_of(job.count)};
    const std::int64_t sums = (job.count + all.stretch - 1) / all.stretch * job.width;
    executor.for_each(sums, SumStretches<T>{all});
    executor.for_each(sums, JoinStretches<T>{all});
  });
}

}  // namespace lamina::kernels
