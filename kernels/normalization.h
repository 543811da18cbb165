// Batch and layer normalisation, inference and training.
#pragma once
#include "kernels/reductions.h"
#include "kernels/short_functions.h"

namespace lamina::kernels {

/// How many, their mean, and the sum of squared distances from it; put together as Chan has it.
template <class C>
struct Moments {
  C count, mean, squares;
  [[nodiscard]] LAMINA_HOST_DEVICE static Moments together(const Moments& a, const Moments& b) {
    const C count = a.count + b.count;
    if (count == C(0)) return a;
    const C distance = b.mean - a.mean;
    const C share = b.count / count;
    return {count, a.mean + distance * share,
            a.squares + b.squares + distance * distance * a.count * share};
  }
  [[nodiscard]] LAMINA_HOST_DEVICE C variance() const { return squares / count; }
};

/// Mean and biased variance of each group, into mean[g] and variance[g].
struct MomentsJob {
  DType dtype;
  const void* x;
  void *mean, *variance, *parts;
  Groups groups;
};

template <class T>
struct ReduceMoments {
  using C = compute_t<T>;
  MomentsJob job;
  LAMINA_HOST_DEVICE Moments<C> zero() const { return {C(0), C(0), C(0)}; }
  LAMINA_HOST_DEVICE Moments<C> combine(const Moments<C>& a, const Moments<C>& b) const {
    return Moments<C>::together(a, b);
  }
  LAMINA_HOST_DEVICE Moments<C> element(std::int64_t g, std::int64_t k) const {
    return {C(1), widen(static_cast<const T*>(job.x)[job.groups.at(g, k)]), C(0)};
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, const Moments<C>& all) const {
    static_cast<C*>(job.mean)[g] = all.mean;
    static_cast<C*>(job.variance)[g] = all.variance();
  }

  static constexpr int kPack = small_pack_size<T>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(static_cast<const T*>(job.x)); }
  /// Of distances from the first element, so that squares of a large mean are not subtracted.
  struct Sum {
    C count, pivot, distances, squares;
  };
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE Nothing<N> prepare(std::int64_t) const {
    return {};
  }
  template <int N>
  LAMINA_HOST_DEVICE void add(Sum (&sums)[N], const Nothing<N>&, std::int64_t at) const {
    C values[N];
    load(static_cast<const T*>(job.x), at, values);
    for (int k = 0; k < N; ++k) {
      if (sums[k].count == C(0)) sums[k].pivot = values[k];
      const C distance = values[k] - sums[k].pivot;
      sums[k].count += C(1);
      sums[k].distances += distance;
      sums[k].squares += distance * distance;
    }
  }
  [[nodiscard]] LAMINA_HOST_DEVICE Moments<C> total(const Sum& sum) const {
    if (sum.count == C(0)) return zero();
    const C mean = sum.distances / sum.count;
    const C squares = sum.squares - sum.distances * mean;
    return {sum.count, sum.pivot + mean, squares < C(0) ? C(0) : squares};
  }
};

template <class Executor>
bool execute(const MomentsJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    reduce_groups(executor, job.groups, job.parts, ReduceMoments<T>{job});
  });
}

/// A functor that takes channels' neighbours at once, element by element: for other layouts.
template <class F>
struct General {
  F f;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const { f(i); }
};

/// What normalises a channel. Arrays are of the type that elements are computed in; gamma and beta
/// may be nullptr.
struct ChannelNumbers {
  const void *mean, *variance, *gamma, *beta;
  double epsilon;
  Function function;
};

template <class C>
struct Channel {
  C mean, inverse, gamma, beta;  ///< 1 / deviation
  Channel() = default;
  LAMINA_HOST_DEVICE Channel(const ChannelNumbers& numbers, std::int64_t c)
      : mean(static_cast<const C*>(numbers.mean)[c]),
        inverse(C(1) / std::sqrt(static_cast<const C*>(numbers.variance)[c] +
                                 static_cast<C>(numbers.epsilon))),
        gamma(numbers.gamma == nullptr ? C(1) : static_cast<const C*>(numbers.gamma)[c]),
        beta(numbers.beta == nullptr ? C(0) : static_cast<const C*>(numbers.beta)[c]) {}
  [[nodiscard]] LAMINA_HOST_DEVICE C normalized(C x) const { return (x - mean) * inverse; }
  [[nodiscard]] LAMINA_HOST_DEVICE C scaled(C x) const { return normalized(x) * gamma + beta; }
};

/// Of neighbouring channels.
template <class C, int N>
struct ChannelPack {
  Channel<C> of[N];
  ChannelPack() = default;
  LAMINA_HOST_DEVICE ChannelPack(const ChannelNumbers& numbers, std::int64_t c) {
    for (int k = 0; k < N; ++k) of[k] = Channel<C>(numbers, c + k);
  }
  /// The gradients before the activation, and x normalised, in place of dy and x.
  template <class F>
  LAMINA_HOST_DEVICE void before_activation(const F& function, C (&x)[N], C (&dy)[N]) const {
    C slopes[N];
    for (int k = 0; k < N; ++k) slopes[k] = of[k].scaled(x[k]);
    function.derivatives(slopes);
    for (int k = 0; k < N; ++k) {
      dy[k] *= slopes[k];
      x[k] = of[k].normalized(x[k]);
    }
  }
};

/// y = act(normalised x * gamma + beta); the channel of element i is i / inner % channels.
struct BatchNormJob {
  DType dtype;
  ChannelNumbers numbers;
  const void* x;
  void* y;
  std::int64_t size, channels, inner;
};

template <class T, class F>
struct BatchNormMap {
  using C = compute_t<T>;
  BatchNormJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const Channel<C> channel(job.numbers, i / job.inner % job.channels);
    const C value = channel.scaled(widen(static_cast<const T*>(job.x)[i]));
    static_cast<T*>(job.y)[i] = narrow<T>(job.numbers.function.value(value));
  }

  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return job.channels % kPack == 0 &&
           aligned<kPack>(static_cast<const T*>(job.x), static_cast<const T*>(job.y));
  }
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE ChannelPack<C, N> prepare(std::int64_t c) const {
    return {job.numbers, c};
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i, const ChannelPack<C, N>& channels) const {
    C values[N];
    load(static_cast<const T*>(job.x), i, values);
    for (int k = 0; k < N; ++k) values[k] = channels.of[k].scaled(values[k]);
    F{job.numbers.function}.values(values);
    store(static_cast<T*>(job.y), i, values);
  }
};

template <class Executor>
bool execute(const BatchNormJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    if (job.inner == 1) {
      dispatch_function(job.numbers.function, [&]<class F>(const F&) {
        executor.for_each_channel(job.size, job.channels, BatchNormMap<T, F>{job});
      });
    } else {
      executor.for_each(job.size, General<BatchNormMap<T, Function>>{{job}});
    }
  });
}

/// Of each channel the sums of dz and of dz * normalised x, where dz is dy before the activation:
/// y[c] and y[channels + c]. A group is a channel, so what is kept is one axis.
struct BatchNormSumsJob {
  DType dtype;
  ChannelNumbers numbers;
  const void *x, *dy;
  void *y, *parts;
  Groups groups;
};

template <class T, class F>
struct BatchNormSums {
  using C = compute_t<T>;
  BatchNormSumsJob job;
  LAMINA_HOST_DEVICE Two<C> zero() const { return {C(0), C(0)}; }
  LAMINA_HOST_DEVICE Two<C> combine(Two<C> a, Two<C> b) const {
    return {a.first + b.first, a.second + b.second};
  }
  LAMINA_HOST_DEVICE Two<C> element(std::int64_t g, std::int64_t k) const {
    const std::int64_t at = job.groups.at(g, k);
    const Channel<C> channel(job.numbers, g);
    const C x = widen(static_cast<const T*>(job.x)[at]);
    C slope[1] = {channel.scaled(x)};
    F{job.numbers.function}.derivatives(slope);
    const C dz = widen(static_cast<const T*>(job.dy)[at]) * slope[0];
    return {dz, dz * channel.normalized(x)};
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, Two<C> all) const {
    static_cast<C*>(job.y)[g] = all.first;
    static_cast<C*>(job.y)[job.groups.count + g] = all.second;
  }

  static constexpr int kPack = small_pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return aligned<kPack>(static_cast<const T*>(job.x), static_cast<const T*>(job.dy));
  }
  using Sum = Two<C>;
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE ChannelPack<C, N> prepare(std::int64_t c) const {
    return {job.numbers, c};
  }
  template <int N>
  LAMINA_HOST_DEVICE void add(Sum (&sums)[N], const ChannelPack<C, N>& channels,
                              std::int64_t at) const {
    C x[N], dz[N];
    load(static_cast<const T*>(job.x), at, x);
    load(static_cast<const T*>(job.dy), at, dz);
    channels.before_activation(F{job.numbers.function}, x, dz);
    for (int k = 0; k < N; ++k) {
      sums[k].first += dz[k];
      sums[k].second += dz[k] * x[k];
    }
  }
  [[nodiscard]] LAMINA_HOST_DEVICE Two<C> total(const Sum& sum) const { return sum; }
};

template <class Executor>
bool execute(const BatchNormSumsJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    dispatch_function(job.numbers.function, [&]<class F>(const F&) {
      reduce_groups(executor, job.groups, job.parts, BatchNormSums<T, F>{job});
    });
  });
}

/// The gradient with respect to x, on which mean and variance depend too. `sums` as above.
struct BatchNormGradientJob {
  DType dtype;
  ChannelNumbers numbers;
  const void *x, *dy, *sums;
  void* y;
  std::int64_t size, channels, inner;
};

template <class T, class F>
struct BatchNormGradientMap {
  using C = compute_t<T>;
  BatchNormGradientJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t c = i / job.inner % job.channels;
    const Channel<C> channel(job.numbers, c);
    const C* sums = static_cast<const C*>(job.sums);
    const C count = static_cast<C>(job.size / job.channels);
    const C x = widen(static_cast<const T*>(job.x)[i]);
    const C dz = widen(static_cast<const T*>(job.dy)[i]) *
                 job.numbers.function.derivative(channel.scaled(x));
    const C centred = dz - sums[c] / count - channel.normalized(x) * sums[job.channels + c] / count;
    static_cast<T*>(job.y)[i] = narrow<T>(channel.gamma * channel.inverse * centred);
  }

  static constexpr int kPack = small_pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return job.channels % kPack == 0 &&
           aligned<kPack>(static_cast<const T*>(job.x), static_cast<const T*>(job.dy),
                          static_cast<const T*>(job.y));
  }
  template <int N>
  struct Prepared {
    ChannelPack<C, N> channels;
    C mean_dz[N], mean_product[N];
  };
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE Prepared<N> prepare(std::int64_t c) const {
    Prepared<N> out{{job.numbers, c}, {}, {}};
    const C* sums = static_cast<const C*>(job.sums);
    const C count = static_cast<C>(job.size / job.channels);
    for (int k = 0; k < N; ++k) {
      out.mean_dz[k] = sums[c + k] / count;
      out.mean_product[k] = sums[job.channels + c + k] / count;
    }
    return out;
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i, const Prepared<N>& prepared) const {
    C x[N], dz[N];
    load(static_cast<const T*>(job.x), i, x);
    load(static_cast<const T*>(job.dy), i, dz);
    prepared.channels.before_activation(F{job.numbers.function}, x, dz);
    for (int k = 0; k < N; ++k) {
      const Channel<C>& channel = prepared.channels.of[k];
      const C centred = dz[k] - prepared.mean_dz[k] - x[k] * prepared.mean_product[k];
      x[k] = channel.gamma * channel.inverse * centred;
    }
    store(static_cast<T*>(job.y), i, x);
  }
};

template <class Executor>
bool execute(const BatchNormGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    if (job.inner == 1) {
      dispatch_function(job.numbers.function, [&]<class F>(const F&) {
        executor.for_each_channel(job.size, job.channels, BatchNormGradientMap<T, F>{job});
      });
    } else {
      executor.for_each(job.size, General<BatchNormGradientMap<T, Function>>{{job}});
    }
  });
}

/// A normalised group: `mean` and `variance` by group, gamma and beta by place in the group.
struct LayerNumbers {
  const void *mean, *variance, *gamma, *beta;
  double epsilon;
  bool rms;  ///< of the mean square, as if the mean were 0
};

template <class C>
struct Layer {
  C mean, scale;
  LAMINA_HOST_DEVICE Layer(const LayerNumbers& numbers, std::int64_t g)
      : mean(static_cast<const C*>(numbers.mean)[g]),
        scale(static_cast<const C*>(numbers.variance)[g] + static_cast<C>(numbers.epsilon)) {
    if (numbers.rms) {
      scale += mean * mean;
      mean = C(0);
    }
    scale = C(1) / std::sqrt(scale);
  }
};

template <class C>
LAMINA_HOST_DEVICE C number_or(const void* numbers, std::int64_t i, C otherwise) {
  return numbers == nullptr ? otherwise : static_cast<const C*>(numbers)[i];
}

struct LayerNormJob {
  DType dtype;
  LayerNumbers numbers;
  const void* x;
  void* y;
  Groups groups;
};

template <class T>
struct LayerNormMap {
  using C = compute_t<T>;
  LayerNormJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t g = i / job.groups.size, k = i % job.groups.size;
    const std::int64_t at = job.groups.at(g, k);
    const Layer<C> layer(job.numbers, g);
    const C value = (widen(static_cast<const T*>(job.x)[at]) - layer.mean) * layer.scale;
    static_cast<T*>(job.y)[at] = narrow<T>(value * number_or(job.numbers.gamma, k, C(1)) +
                                           number_or(job.numbers.beta, k, C(0)));
  }
};

template <class Executor>
bool execute(const LayerNormJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.for_each(job.groups.count * job.groups.size, LayerNormMap<T>{job});
  });
}

/// With h = dy * gamma: `sums` holds those of h and of h * (x - mean) for each group.
struct LayerNormGradientJob {
  DType dtype;
  LayerNumbers numbers;
  const void *x, *dy;
  void *y, *sums, *parts;
  Groups groups;
};

template <class T>
struct LayerNormGradientSums {
  using C = compute_t<T>;
  LayerNormGradientJob job;
  LAMINA_HOST_DEVICE Two<C> zero() const { return {C(0), C(0)}; }
  LAMINA_HOST_DEVICE Two<C> combine(Two<C> a, Two<C> b) const {
    return {a.first + b.first, a.second + b.second};
  }
  LAMINA_HOST_DEVICE Two<C> element(std::int64_t g, std::int64_t k) const {
    const std::int64_t at = job.groups.at(g, k);
    const C h = widen(static_cast<const T*>(job.dy)[at]) * number_or(job.numbers.gamma, k, C(1));
    const Layer<C> layer(job.numbers, g);
    return {h, h * (widen(static_cast<const T*>(job.x)[at]) - layer.mean)};
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t g, Two<C> all) const {
    static_cast<Two<C>*>(job.sums)[g] = all;
  }
};

template <class T>
struct LayerNormGradientMap {
  using C = compute_t<T>;
  LayerNormGradientJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t g = i / job.groups.size, k = i % job.groups.size;
    const std::int64_t at = job.groups.at(g, k);
    const C count = static_cast<C>(job.groups.size);
    const Layer<C> layer(job.numbers, g);
    const Two<C> sums = static_cast<const Two<C>*>(job.sums)[g];
    const C h = widen(static_cast<const T*>(job.dy)[at]) * number_or(job.numbers.gamma, k, C(1));
    const C slope = sums.second * layer.scale * layer.scale * layer.scale / count;
    const C shift = job.numbers.rms ? C(0) : sums.first * layer.scale / count;
    const C distance = widen(static_cast<const T*>(job.x)[at]) - layer.mean;
    static_cast<T*>(job.y)[at] = narrow<T>(h * layer.scale - shift - slope * distance);
  }
};

template <class Executor>
bool execute(const LayerNormGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    const Groups& all = job.groups;
    executor.reduce(all.count, all.size, all.slices, job.parts, LayerNormGradientSums<T>{job});
    executor.for_each(all.count * all.size, LayerNormGradientMap<T>{job});
  });
}

/// For each place k in the groups the sums over all groups of dy and of dy * normalised x: y[k] and
/// y[size + k]. `across` cuts up the reduction, which runs over groups.
struct LayerNormSumsJob {
  DType dtype;
  LayerNumbers numbers;
  const void *x, *dy;
  void *y, *parts;
  Groups groups;
  Slices across;
};

template <class T>
struct LayerNormSums {
  using C = compute_t<T>;
  LayerNormSumsJob job;
  LAMINA_HOST_DEVICE Two<C> zero() const { return {C(0), C(0)}; }
  LAMINA_HOST_DEVICE Two<C> combine(Two<C> a, Two<C> b) const {
    return {a.first + b.first, a.second + b.second};
  }
  LAMINA_HOST_DEVICE Two<C> element(std::int64_t place, std::int64_t g) const {
    const std::int64_t at = job.groups.at(g, place);
    const Layer<C> layer(job.numbers, g);
    const C d = widen(static_cast<const T*>(job.dy)[at]);
    return {d, d * (widen(static_cast<const T*>(job.x)[at]) - layer.mean) * layer.scale};
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t place, Two<C> all) const {
    static_cast<C*>(job.y)[place] = all.first;
    static_cast<C*>(job.y)[job.groups.size + place] = all.second;
  }
};

template <class Executor>
bool execute(const LayerNormSumsJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    executor.reduce(job.groups.size, job.groups.count, job.across, job.parts,
                    LayerNormSums<T>{job});
  });
}

}  // namespace lamina::kernels
