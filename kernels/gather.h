// Rows of a table, and the gradients that they gather. An id names a row; many may name the same.
#pragma once
#include "kernels/element.h"
#include "kernels/pack.h"
#include "kernels/sorting.h"

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
  Placed* sorted;  ///< workspace: 2 * count
  void* open;      ///< workspace: open_sums() numbers of the type that elements are computed in
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

/// An id's row (-1: none) is its key.
struct PlaceIds {
  Ids ids;
  Placed* to;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const { to[i] = {ids[i], i}; }
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
  const Placed* sorted;
  std::int64_t stretch;

  [[nodiscard]] LAMINA_HOST_DEVICE std::int64_t end(std::int64_t s) const {
    return (s + 1) * stretch < job.count ? (s + 1) * stretch : job.count;
  }
  /// Whether the ids before and at `at` are of one row.
  [[nodiscard]] LAMINA_HOST_DEVICE bool goes_on(std::int64_t at) const {
    return at > 0 && at < job.count && sorted[at - 1].key == sorted[at].key;
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
      const Placed id = all.sorted[k];
      if (id.key < 0) {
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
        all.write(id.key, column, sum);
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
    const std::int64_t row = all.sorted[end - 1].key;
    if (row < 0 || !all.goes_on(end)) return;
    // The stretch in which the row begins puts it together.
    if (all.goes_on(first) && all.sorted[first].key == row) return;
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
      if (all.sorted[half].key == row) {
        low = half + 1;
      } else {
        high = half;
      }
    }
    return low;
  }
};

template <class Executor>
bool execute(const GatherGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.for_each(job.ids.rows * job.width, ZeroMap<T>{static_cast<T*>(job.y)});
    Placed* const ids = job.sorted + job.count;
    executor.for_each(job.count, PlaceIds{job.ids, ids});
    const Placed* sorted = sort_lines({1, job.count}, ids, job.sorted, executor);
    const Stretches<T> all{job, sorted, GatherGradientJob::stretch_of(job.count)};
    const std::int64_t sums = (job.count + all.stretch - 1) / all.stretch * job.width;
    executor.for_each(sums, SumStretches<T>{all});
    executor.for_each(sums, JoinStretches<T>{all});
  });
}

}  // namespace lamina::kernels
