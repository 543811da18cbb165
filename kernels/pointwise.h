// One element of the result from one of each operand.
#pragma once
#include "core/convert.h"
#include "kernels/element.h"
#include "kernels/layout.h"
#include "kernels/pack.h"
#include "kernels/short_functions.h"

namespace lamina::kernels {

struct UnaryJob {
  DType dtype;
  Function function;
  const void* x;
  void* y;
  std::int64_t size;
};

template <class T, class F>
struct UnaryMap {
  F function;
  const T* x;
  T* y;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(x, y); }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    compute_t<T> values[N];
    load(x, i, values);
    function.values(values);
    store(y, i, values);
  }
};

template <class Executor>
bool execute(const UnaryJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    dispatch_function(job.function, [&]<class F>(const F& function) {
      executor.for_each(
          job.size, UnaryMap<T, F>{function, static_cast<const T*>(job.x), static_cast<T*>(job.y)});
    });
  });
}

/// y = dy * act'(x), where `x` may be act(x).
struct UnaryGradientJob {
  DType dtype;
  Function function;
  bool from_output;
  const void *x, *dy;
  void* y;
  std::int64_t size;
};

template <class T, class F>
struct UnaryGradientMap {
  F function;
  bool from_output;
  const T *x, *dy;
  T* y;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(x, dy, y); }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    compute_t<T> slopes[N], d[N];
    load(x, i, slopes);
    load(dy, i, d);
    if (from_output) {
      for (int k = 0; k < N; ++k) slopes[k] = function.derivative_from_output(slopes[k]);
    } else {
      function.derivatives(slopes);
    }
    for (int k = 0; k < N; ++k) d[k] *= slopes[k];
    store(y, i, d);
  }
};

template <class Executor>
bool execute(const UnaryGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    dispatch_function(job.function, [&]<class F>(const F& function) {
      executor.for_each(
          job.size, UnaryGradientMap<T, F>{function, job.from_output, static_cast<const T*>(job.x),
                                           static_cast<const T*>(job.dy), static_cast<T*>(job.y)});
    });
  });
}

/// y = act(op(x0, x1)); any dtype but bool.
struct BinaryJob {
  DType dtype;
  BinaryKind kind;
  Function function;
  const void *x0, *x1;
  void* y;
  Layout at0, at1;
  std::int64_t size;
};

template <class T, class F>
struct BinaryMap {
  F function;
  const T *x0, *x1;
  T* y;
  Layout at0, at1;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return aligned<kPack>(x0, x1, y) && at0.in_packs(kPack) && at1.in_packs(kPack);
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    compute_t<T> a[N], b[N];
    load(x0, at0, i, a);
    load(x1, at1, i, b);
    function.values(a, b);
    store(y, i, a);
  }
};

template <class Executor>
bool execute(const BinaryJob& job, Executor& executor) {
  return dispatch(job.dtype, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return false;
    } else {
      const auto run = [&]<class F>(const F& function) {
        executor.for_each(job.size, BinaryMap<T, F>{function, static_cast<const T*>(job.x0),
                                                    static_cast<const T*>(job.x1),
                                                    static_cast<T*>(job.y), job.at0, job.at1});
      };
      if constexpr (is_float_element<T>) {
        dispatch_function(BinaryFunction{job.kind, job.function}, run);
      } else {
        run(ShortBinaryFunction{job.kind, {}});  // the long ones are of floats alone
      }
      return true;
    }
  });
}

struct BinaryGradientJob {
  DType dtype;
  BinaryKind kind;
  bool first;  ///< of operand 0, else of operand 1
  const void *x0, *x1, *dy;
  void* y;
  Layout at0, at1;
  std::int64_t size;
};

template <class T, class F>
struct BinaryGradientMap {
  F function;
  bool first;
  const T *x0, *x1, *dy;
  T* y;
  Layout at0, at1;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return aligned<kPack>(x0, x1, dy, y) && at0.in_packs(kPack) && at1.in_packs(kPack);
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    compute_t<T> a[N], b[N], d[N];
    load(x0, at0, i, a);
    load(x1, at1, i, b);
    load(dy, i, d);
    function.gradients(first, a, b, d);
    store(y, i, d);
  }
};

template <class Executor>
bool execute(const BinaryGradientJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    dispatch_function(BinaryFunction{job.kind, {}}, [&]<class F>(const F& function) {
      executor.for_each(job.size, BinaryGradientMap<T, F>{
                                      function, job.first, static_cast<const T*>(job.x0),
                                      static_cast<const T*>(job.x1), static_cast<const T*>(job.dy),
                                      static_cast<T*>(job.y), job.at0, job.at1});
    });
  });
}

/// y = act(y + bias) + residual, in place behind a library's product: what it left undone.
/// `bias` (channels) is of the type that elements are computed in, or nullptr; so may residual be.
struct EpilogueJob {
  DType dtype;
  Function function;
  const void *bias, *residual;
  void* y;
  std::int64_t size, channels;
};

template <class T, class F>
struct EpilogueMap {
  F function;
  const compute_t<T>* bias;
  const T* residual;
  T* y;
  std::int64_t channels;
  static constexpr int kPack = pack_size<T>;
  [[nodiscard]] bool in_packs() const {
    return aligned<kPack>(residual, y) && (bias == nullptr || channels % kPack == 0);
  }
  /// The channels of a thread's elements are the same for all of them.
  template <int N>
  struct Prepared {
    compute_t<T> bias[N];
  };
  template <int N>
  [[nodiscard]] LAMINA_HOST_DEVICE Prepared<N> prepare(std::int64_t channel) const {
    Prepared<N> out{};
    if (bias == nullptr) return out;
    for (int k = 0; k < N; ++k) out.bias[k] = bias[channel + k];
    return out;
  }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i, const Prepared<N>& prepared) const {
    compute_t<T> values[N], rest[N] = {};
    load(y, i, values);
    if (residual != nullptr) load(residual, i, rest);
    if (bias != nullptr) {
      for (int k = 0; k < N; ++k) values[k] += prepared.bias[k];
    }
    function.values(values);
    if (residual != nullptr) {
      for (int k = 0; k < N; ++k) values[k] += rest[k];
    }
    store(y, i, values);
  }
};

template <class Executor>
bool execute(const EpilogueJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class T>(T) {
    dispatch_function(job.function, [&]<class F>(const F& function) {
      executor.for_each_channel(
          job.size, job.bias == nullptr ? pack_size<T> : job.channels,
          EpilogueMap<T, F>{function, static_cast<const compute_t<T>*>(job.bias),
                            static_cast<const T*>(job.residual), static_cast<T*>(job.y),
                            job.channels});
    });
  });
}

/// Any dtype to any other.
struct CastJob {
  DType from, to;
  const void* x;
  void* y;
  std::int64_t size;
};

/// The types are chosen when it runs: 169 kernels of their own would not be faster.
struct CastMap {
  DType from, to;
  const void* x;
  void* y;

  template <class Wide>
  LAMINA_HOST_DEVICE void store(std::int64_t i, Wide value) const {
    switch (to) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating)     \
  case DType::enumerator:                                        \
    static_cast<type*>(y)[i] = core::convert<Wide, type>(value); \
    break;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
    }
  }
  /// By way of the widest type of its kind, in which every value of it is exact.
  template <class T>
  LAMINA_HOST_DEVICE void move(std::int64_t i) const {
    const T value = static_cast<const T*>(x)[i];
    if constexpr (is_float_element<T>) {
      store<double>(i, static_cast<double>(widen(value)));
    } else if constexpr (std::is_signed_v<T>) {
      store<std::int64_t>(i, value);
    } else {
      store<std::uint64_t>(i, value);
    }
  }
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    switch (from) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    move<type>(i);                                           \
    break;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
    }
  }
};

/// Between floats, which is most of what there is to cast.
template <class From, class To>
struct FloatCastMap {
  const From* x;
  To* y;
  static constexpr int kPack = pack_size<std::conditional_t<(sizeof(From) > sizeof(To)), From, To>>;
  [[nodiscard]] bool in_packs() const { return aligned<kPack>(x, y); }
  template <int N>
  LAMINA_HOST_DEVICE void at(std::int64_t i) const {
    float values[N];
    load(x, i, values);
    store(y, i, values);
  }
};

/// Calls f(T{}) for a float of at most 32 bits; returns whether `dtype` is one.
template <class F>
bool dispatch_narrow_float(DType dtype, F&& f) {
  return dtype != DType::kFloat64 && dispatch_float(dtype, [&]<class T>(T value) {
           if constexpr (!std::is_same_v<T, double>) f(value);
         });
}

template <class Executor>
bool execute(const CastJob& job, Executor& executor) {
  bool done = false;
  dispatch_narrow_float(job.from, [&]<class From>(From) {
    done = dispatch_narrow_float(job.to, [&]<class To>(To) {
      executor.for_each(job.size, FloatCastMap<From, To>{static_cast<const From*>(job.x),
                                                         static_cast<To*>(job.y)});
    });
  });
  if (done) return true;
  executor.for_each(job.size, CastMap{job.from, job.to, job.x, job.y});
  return true;
}

}  // namespace lamina::kernels
