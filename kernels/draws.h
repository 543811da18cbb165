// What a step of training draws: noise, and which elements dropout keeps.
#pragma once
#include <cmath>

#include "core/convert.h"
#include "kernels/element.h"
#include "kernels/host_device.h"
#include "kernels/pack.h"
#include "kernels/philox.h"

namespace lamina::kernels {

/// Random words, four for every four elements, that depend on the state, the stream and the place
/// alone.
struct Draws {
  const std::uint64_t* state;  ///< a seed and a counter
  std::uint32_t stream;

  /// Of the elements from 4 * block on.
  LAMINA_HOST_DEVICE void words(std::int64_t block, std::uint32_t (&words)[4]) const {
    words[0] = static_cast<std::uint32_t>(block);
    words[1] = stream;
    words[2] = low(state[1]);
    words[3] = high(state[1]);
    std::uint32_t key0 = low(state[0]), key1 = high(state[0]);
    for (int round = 0; round < kPhiloxRounds; ++round) {
      philox_round(words[0], words[1], words[2], words[3], key0, key1);
      philox_next_key(key0, key1);
    }
  }

  /// Numbers of a standard normal distribution for the same elements (Box and Muller 1958), of 24
  /// bits of each word: at most 5.8.
  LAMINA_HOST_DEVICE void normals(std::int64_t block, float (&numbers)[4]) const {
    constexpr float kUnit = 1.0F / (1 << 24), kTurn = 6.28318531F;
    std::uint32_t drawn[4];
    words(block, drawn);
    for (int k = 0; k < 4; k += 2) {
      const float share = static_cast<float>((drawn[k] >> 8) + 1) * kUnit;  // in (0, 1]
      const float radius = std::sqrt(-2.0F * std::log(share));
      const float angle = kTurn * (static_cast<float>(drawn[k + 1] >> 8) * kUnit);
      numbers[k] = radius * std::cos(angle);
      numbers[k + 1] = radius * std::sin(angle);
    }
  }
  /// The one of an element.
  [[nodiscard]] LAMINA_HOST_DEVICE float normal(std::int64_t element) const {
    float numbers[4];
    normals(element / 4, numbers);
    const std::int64_t k = element % 4;
    const float first = k == 0 ? numbers[0] : numbers[1], last = k == 2 ? numbers[2] : numbers[3];
    return k < 2 ? first : last;
  }

 private:
  static LAMINA_HOST_DEVICE std::uint32_t low(std::uint64_t v) {
    return static_cast<std::uint32_t>(v);
  }
  static LAMINA_HOST_DEVICE std::uint32_t high(std::uint64_t v) {
    return static_cast<std::uint32_t>(v >> 32);
  }
};

/// y = x + stddev n, or x (1 + stddev n) where n, a normal number, is a factor.
struct NoiseJob {
  DType dtype;
  bool factor;
  const void *x, *state;
  void* y;
  std::int64_t size;
  double stddev;
  std::uint32_t stream;
};

template <class C>
[[nodiscard]] LAMINA_HOST_DEVICE C with_noise(C x, C noise, bool factor) {
  return factor ? x * (C(1) + noise) : x + noise;
}

template <class T>
struct NoiseMap {
  const T* x;
  Draws draws;
  T* y;
  compute_t<T> stddev;
  bool factor;

  /// Whole blocks of words.
  static constexpr int kPack = pack_size<T> < 4 ? 4 : pack_size<T>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(x, static_cast<const T*>(y)); }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    compute_t<T> values[N];
    load(x, i, values);
    if constexpr (N == 1) {
      values[0] = noisy(values[0], draws.normal(i));
    } else {
      static_assert(N % 4 == 0);
      for (int block = 0; block < N / 4; ++block) {
        float numbers[4];
        draws.normals(i / 4 + block, numbers);
        for (int k = 0; k < 4; ++k) {
          values[4 * block + k] = noisy(values[4 * block + k], numbers[k]);
        }
      }
    }
    store(y, i, values);
  }

 private:
  [[nodiscard]] LAMINA_HOST_DEVICE compute_t<T> noisy(compute_t<T> value, float number) const {
    return with_noise(value, static_cast<compute_t<T>>(number) * stddev, factor);
  }
};

template <class Executor>
bool execute(const NoiseJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.for_each(
        job.size,
        NoiseMap<T>{static_cast<const T*>(job.x),
                    Draws{static_cast<const std::uint64_t*>(job.state), job.stream},
                    static_cast<T*>(job.y), static_cast<compute_t<T>>(job.stddev), job.factor});
  });
}

/// y = x * scale where the element is kept. See ops::DropoutMask, which draws the same.
struct DropoutJob {
  DType dtype;
  const void *x, *state;
  void* y;
  std::int64_t size;
  double scale;
  std::uint32_t stream, threshold;
};

template <class T>
struct DropoutMap {
  const T* x;
  const std::uint64_t* state;  ///< a seed and a counter
  T* y;
  compute_t<T> scale;
  std::uint32_t stream, threshold;

  bool together;  ///< x and y are aligned for packs

  /// Whole blocks of words.
  static constexpr int kPack = pack_size<T> < 4 ? 4 : pack_size<T>;
  [[nodiscard]] static bool in_packs() { return true; }
  /// One block of four words decides on four elements; only the last few have one each.
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    compute_t<T> values[N];
    read(i, values);
    std::uint32_t words[4];
    if constexpr (N == 1) {
      Draws{state, stream}.words(i / 4, words);
      const std::int64_t k = i % 4;
      const std::uint32_t low = k == 0 ? words[0] : words[1], high = k == 2 ? words[2] : words[3];
      values[0] = decided(values[0], k < 2 ? low : high);
    } else {
      static_assert(N % 4 == 0);
      for (int block = 0; block < N / 4; ++block) {
        Draws{state, stream}.words(i / 4 + block, words);
        for (int k = 0; k < 4; ++k) {
          values[4 * block + k] = decided(values[4 * block + k], words[k]);
        }
      }
    }
    write(i, values);
  }

 private:
  [[nodiscard]] LAMINA_HOST_DEVICE compute_t<T> decided(compute_t<T> value,
                                                        std::uint32_t word) const {
    return (word >> 8) >= threshold ? value * scale : compute_t<T>(0);
  }
  template <int N>
  LAMINA_HOST_DEVICE void read(std::int64_t i, compute_t<T> (&values)[N]) const {
    if (together) return load(x, i, values);
    for (int k = 0; k < N; ++k) values[k] = widen(x[i + k]);
  }
  template <int N>
  LAMINA_HOST_DEVICE void write(std::int64_t i, const compute_t<T> (&values)[N]) const {
    if (together) return store(y, i, values);
    for (int k = 0; k < N; ++k) y[i + k] = narrow<T>(values[k]);
  }
};

template <class Executor>
bool execute(const DropoutJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    const T* x = static_cast<const T*>(job.x);
    T* y = static_cast<T*>(job.y);
    executor.for_each(job.size,
                      DropoutMap<T>{x, static_cast<const std::uint64_t*>(job.state), y,
                                    static_cast<compute_t<T>>(job.scale), job.stream, job.threshold,
                                    aligned<DropoutMap<T>::kPack>(x, static_cast<const T*>(y))});
  });
}

}  // namespace lamina::kernels
