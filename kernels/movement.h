// Elements moved, or resampled where they lie.
#pragma once
#include "core/convert.h"
#include "kernels/element.h"
#include "kernels/layout.h"
#include "kernels/pack.h"

namespace lamina::kernels {

/// y[to.at(i)] = x[from.at(i)].
struct CopyJob {
  std::size_t element;  ///< bytes
  const void* x;
  void* y;
  Layout from, to;
  std::int64_t size;
};

template <class T>
struct CopyMap {
  const T* x;
  T* y;
  Layout from, to;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return aligned<kPack>(x, static_cast<const T*>(y)) && from.in_packs(kPack) &&
           to.in_packs(kPack) && to.neighbours();
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    T values[N];
    load(x, from, i, values);
    store(y, to.at(i), values);
  }
};

template <class Executor>
bool execute(const CopyJob& job, Executor& executor) {
  return dispatch_bytes(job.element, [&]<class T>(T) {
    executor.for_each(job.size, CopyMap<T>{static_cast<const T*>(job.x), static_cast<T*>(job.y),
                                           job.from, job.to});
  });
}

/// x inside a frame of `value`; a negative amount before or after crops.
struct PadJob {
  std::size_t element;
  std::uint64_t value;  ///< the bits of one element, from the lowest on
  const void* x;
  void* y;
  int rank;
  std::int64_t in[kMaxRank], out[kMaxRank], before[kMaxRank];
  std::int64_t size;
};

template <class T>
struct PadMap {
  PadJob job;
  /// Where the last dimension is not framed, neighbours in it are moved or filled alike.
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    const int last = job.rank - 1;
    return last >= 0 && job.before[last] == 0 && job.in[last] == job.out[last] &&
           job.in[last] % kPack == 0 &&
           aligned<kPack>(static_cast<const T*>(job.x), static_cast<const T*>(job.y));
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    std::int64_t rest = i, offset = 0, stride = 1;
    bool inside = true;
    for (int d = job.rank - 1; d >= 0; --d) {
      const std::int64_t at = rest % job.out[d] - job.before[d];
      rest /= job.out[d];
      inside = inside && at >= 0 && at < job.in[d];
      offset += at * stride;
      stride *= job.in[d];
    }
    T values[N];
    for (int k = 0; k < N; ++k) values[k] = static_cast<T>(job.value);
    if (inside) load(static_cast<const T*>(job.x), offset, values);
    store(static_cast<T*>(job.y), i, values);
  }
};

template <class Executor>
bool execute(const PadJob& job, Executor& executor) {
  return dispatch_bytes(job.element,
                        [&]<class T>(T) { executor.for_each(job.size, PadMap<T>{job}); });
}

/// Which positions along one dimension make each output position, and with what weights:
/// those from starts[i] to starts[i + 1].
struct Taps {
  const std::int32_t *starts, *positions;
  const double* weights;
};

/// y[n, h, w, c]: the sum over rows.taps(h) and columns.taps(w).
struct ResizeJob {
  DType dtype;
  const void* x;
  void* y;
  std::int64_t in_height, in_width, height, width, channels, size;
  Taps rows, columns;
};

template <class T>
struct ResizeMap {
  ResizeJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t c = i % job.channels;
    const std::int64_t w = i / job.channels % job.width;
    const std::int64_t h = i / job.channels / job.width % job.height;
    const std::int64_t n = i / job.channels / job.width / job.height;
    const T* image = static_cast<const T*>(job.x) + n * job.in_height * job.in_width * job.channels;
    compute_t<T> sum = 0;
    for (std::int32_t r = job.rows.starts[h]; r < job.rows.starts[h + 1]; ++r) {
      for (std::int32_t k = job.columns.starts[w]; k < job.columns.starts[w + 1]; ++k) {
        const std::int64_t at =
            (job.rows.positions[r] * job.in_width + job.columns.positions[k]) * job.channels + c;
        sum += static_cast<compute_t<T>>(job.rows.weights[r] * job.columns.weights[k]) *
               widen(image[at]);
      }
    }
    static_cast<T*>(job.y)[i] = narrow<T>(sum);
  }
};

template <class Executor>
bool execute(const ResizeJob& job, Executor& executor) {
  return dispatch_float(job.dtype,
                        [&]<class T>(T) { executor.for_each(job.size, ResizeMap<T>{job}); });
}

}  // namespace lamina::kernels
