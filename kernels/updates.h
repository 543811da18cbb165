// An optimizer's step over many arrays at once, and what training does to arrays beside it.
#pragma once
#include <limits>
#include <variant>

#include "kernels/element.h"
#include "kernels/executor.h"
#include "kernels/optimizers.h"

namespace lamina::kernels {

/// Old and new elements of an array; the same where it is updated in place. Null: there is none.
struct InOut {
  const void* in = nullptr;
  void* out = nullptr;
};

/// One array of a step. Without a gradient the weights stay and their average moves.
struct UpdateArray {
  const void* gradient = nullptr;
  InOut value, accumulated, average, slots[3];
  double multiplier = 1, divisor = 1;  ///< clipping by norm
  double ratio = 1;                    ///< of norms, for rules that have one
  std::int64_t decays = 0;
};

/// At most kPieceSize elements of an array: the unit in which work on many arrays is dealt out.
struct Piece {
  std::int64_t array, begin, end;
};
inline constexpr std::int64_t kPieceSize = 4096;

/// Many arrays of one dtype, in memory that the executor reads.
struct Arrays {
  const UpdateArray* arrays;
  const Piece* pieces;
  std::int64_t count;  ///< pieces

  /// f(array, element) for element i of all pieces as if each were full; nothing behind its end.
  template <class F>
  LAMINA_HOST_DEVICE void at(std::int64_t i, const F& f) const {
    const Piece& piece = pieces[i / kPieceSize];
    const std::int64_t element = piece.begin + i % kPieceSize;
    if (element < piece.end) f(arrays[piece.array], element);
  }
};

/// What a step does beside the optimizer's own rule.
struct UpdateNumbers {
  double loss_scale = 1, accumulation_steps = 1, weight_decay = 0;
  double limit = std::numeric_limits<double>::infinity();  ///< of each element of a gradient
  double average_momentum = 0;
  float learning_rate = 0;
  bool overwrite_with_average = false;
};

/// The rules of kernels/optimizers.h for elements computed as T.
template <class T>
using RuleOf =
    std::variant<SgdStep<T>, SgdMomentumStep<T>, AdamStep<T>, AmsgradStep<T>,
                 RmspropStep<T, false, false>, RmspropStep<T, true, false>,
                 RmspropStep<T, false, true>, RmspropStep<T, true, true>, AdagradStep<T>,
                 LionStep<T>, AdamaxStep<T>, NadamStep<T>, AdadeltaStep<T>, FtrlStep<T, true>,
                 FtrlStep<T, false>, LambStep<T>, ScheduleFreeAdamWStep<T>>;

/// `rule` holds for elements computed as float, `wide_rule` for double. `lost`: set once a weight
/// was computed that is infinite or NaN.
struct UpdateJob {
  DType dtype;
  RuleOf<float> rule;
  RuleOf<double> wide_rule;
  UpdateNumbers numbers;
  Arrays all;
  std::int32_t* lost;
};

template <class T>
LAMINA_HOST_DEVICE GradientRule<T> gradient_rule(const UpdateNumbers& numbers,
                                                 const UpdateArray& array) {
  return {T(numbers.loss_scale), T(numbers.accumulation_steps), T(array.multiplier),
          T(array.divisor), T(numbers.limit)};
}

template <class T>
LAMINA_HOST_DEVICE T decayed(const UpdateNumbers& numbers, const UpdateArray& array, T w) {
  return array.decays == 0 ? w
                           : WeightDecay<T>{T(numbers.weight_decay), T(numbers.learning_rate)}(w);
}

/// A rule as it is for one array.
template <class Rule>
LAMINA_HOST_DEVICE Rule rule_for(Rule rule, const UpdateArray& array) {
  if constexpr (requires { rule.ratio; }) rule.ratio = decltype(rule.ratio)(array.ratio);
  return rule;
}

template <class S>
LAMINA_HOST_DEVICE compute_t<S> element_of(const void* values, std::int64_t i) {
  return widen(static_cast<const S*>(values)[i]);
}

/// The gradient of an element as the optimizer sees it.
template <class S>
LAMINA_HOST_DEVICE compute_t<S> gradient_of(const UpdateNumbers& numbers, const UpdateArray& array,
                                            std::int64_t i) {
  using T = compute_t<S>;
  const T sum = array.accumulated.in == nullptr ? T(0) : element_of<S>(array.accumulated.in, i);
  return gradient_rule<T>(numbers, array)(element_of<S>(array.gradient, i), sum);
}

/// A weight that is computed: moves the average, lets it take its place if it is time, and writes
/// both.
template <class S>
LAMINA_HOST_DEVICE void finish_weight(const UpdateNumbers& numbers, const UpdateArray& array,
                                      std::int64_t i, compute_t<S> w, std::int32_t* lost) {
  using T = compute_t<S>;
  if (array.average.in != nullptr) {
    const MovingAverage<T> rule{T(numbers.average_momentum)};
    const S average = narrow<S>(rule(element_of<S>(array.average.in, i), w));
    static_cast<S*>(array.average.out)[i] = average;
    if (numbers.overwrite_with_average) w = widen(average);
  }
  if (!(w - w == T(0))) *lost = 1;
  static_cast<S*>(array.value.out)[i] = narrow<S>(w);
}

template <class S, class Rule>
struct UpdateElement {
  using T = compute_t<S>;
  Rule rule;
  UpdateNumbers numbers;
  Arrays all;
  std::int32_t* lost;

  LAMINA_HOST_DEVICE void operator()(std::int64_t index) const {
    all.at(index, [&](const UpdateArray& array, std::int64_t i) {
      T w = element_of<S>(array.value.in, i);
      if (array.gradient != nullptr) step(array, i, w);
      finish_weight<S>(numbers, array, i, w, lost);
    });
  }

 private:
  LAMINA_HOST_DEVICE void step(const UpdateArray& array, std::int64_t i, T& w) const {
    const T g = gradient_of<S>(numbers, array, i);
    if (array.accumulated.out != nullptr) {
      static_cast<S*>(array.accumulated.out)[i] = narrow<S>(T(0));
    }
    w = decayed(numbers, array, w);
    T slots[3] = {};
    for (int k = 0; k < Rule::kSlots; ++k) slots[k] = element_of<S>(array.slots[k].in, i);
    rule_for(rule, array)(g, w, slots[0], slots[1], slots[2]);
    for (int k = 0; k < Rule::kSlots; ++k) {
      static_cast<S*>(array.slots[k].out)[i] = narrow<S>(slots[k]);
    }
  }
};

template <class Executor>
bool execute(const UpdateJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    const auto run = [&](const auto& rule) {
      using Rule = std::remove_cvref_t<decltype(rule)>;
      executor.for_each(job.all.count * kPieceSize,
                        UpdateElement<S, Rule>{rule, job.numbers, job.all, job.lost});
    };
    if constexpr (std::is_same_v<S, double>) {
      std::visit(run, job.wide_rule);
    } else {
      std::visit(run, job.rule);
    }
  });
}

/// Adds the gradients to what has been accumulated; nothing else changes but the averages.
struct AccumulateJob {
  DType dtype;
  UpdateNumbers numbers;
  Arrays all;
  std::int32_t* lost;
};

template <class S>
struct AccumulateElement {
  using T = compute_t<S>;
  AccumulateJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t index) const {
    job.all.at(index, [&](const UpdateArray& array, std::int64_t i) {
      if (array.gradient != nullptr) {
        const T mine = element_of<S>(array.gradient, i) / T(job.numbers.loss_scale);
        static_cast<S*>(array.accumulated.out)[i] =
            narrow<S>(mine + element_of<S>(array.accumulated.in, i));
      }
      if (array.average.in == nullptr) return;
      finish_weight<S>(job.numbers, array, i, element_of<S>(array.value.in, i), job.lost);
    });
  }
};

template <class Executor>
bool execute(const AccumulateJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    executor.for_each(job.all.count * kPieceSize, AccumulateElement<S>{job});
  });
}

/// sums[p]: the squares of the gradients of piece p, as the optimizer sees them, added up.
struct SquaresJob {
  DType dtype;
  UpdateNumbers numbers;
  Arrays all;
  double* sums;
};

template <class S>
struct SumSquares {
  SquaresJob job;
  LAMINA_HOST_DEVICE double zero() const { return 0; }
  LAMINA_HOST_DEVICE double combine(double a, double b) const { return a + b; }
  LAMINA_HOST_DEVICE double element(std::int64_t piece, std::int64_t k) const {
    double square = 0;
    job.all.at(piece * kPieceSize + k, [&](const UpdateArray& array, std::int64_t i) {
      if (array.gradient == nullptr) return;
      const auto g = static_cast<double>(gradient_of<S>(job.numbers, array, i));
      square = g * g;
    });
    return square;
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t piece, double sum) const { job.sums[piece] = sum; }
};

template <class Executor>
bool execute(const SquaresJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    executor.reduce(job.all.count, kPieceSize, Slices{1, true}, nullptr, SumSquares<S>{job});
  });
}

/// Squares added up: of weights as a step finds them, and of the directions in which it goes. Each
/// is one of the type that is computed in, so that it vanishes where it does in Keras.
struct NormSquares {
  double weights, directions;
  LAMINA_HOST_DEVICE NormSquares& operator+=(const NormSquares& more) {
    weights += more.weights;
    directions += more.directions;
    return *this;
  }
};

template <class T>
LAMINA_HOST_DEVICE NormSquares squares_of(T w, T direction) {
  return {static_cast<double>(w * w), static_cast<double>(direction * direction)};
}

/// sums[p]: of piece p, before a step by one of the rules, which is for elements computed as float
/// or as double. Nothing else changes.
struct NormsJob {
  DType dtype;
  LambStep<float> rule;
  LambStep<double> wide_rule;
  UpdateNumbers numbers;
  Arrays all;
  NormSquares* sums;
};

template <class S>
struct SumNorms {
  using T = compute_t<S>;
  LambStep<T> rule;
  UpdateNumbers numbers;
  Arrays all;
  NormSquares* sums;

  LAMINA_HOST_DEVICE NormSquares zero() const { return {0, 0}; }
  LAMINA_HOST_DEVICE NormSquares combine(NormSquares a, const NormSquares& b) const {
    return a += b;
  }
  LAMINA_HOST_DEVICE NormSquares element(std::int64_t piece, std::int64_t k) const {
    NormSquares squares = zero();
    all.at(piece * kPieceSize + k, [&](const UpdateArray& array, std::int64_t i) {
      if (array.gradient == nullptr) return;
      T momentum = element_of<S>(array.slots[0].in, i),
        velocity = element_of<S>(array.slots[1].in, i);
      const T w = decayed(numbers, array, element_of<S>(array.value.in, i));
      squares =
          squares_of(w, rule.direction(gradient_of<S>(numbers, array, i), momentum, velocity));
    });
    return squares;
  }
  LAMINA_HOST_DEVICE void finish(std::int64_t piece, const NormSquares& sum) const {
    sums[piece] = sum;
  }
};

template <class Executor>
bool execute(const NormsJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    const auto run = [&](const auto& rule) {
      executor.reduce(job.all.count, kPieceSize, Slices{1, true}, nullptr,
                      SumNorms<S>{rule, job.numbers, job.all, job.sums});
    };
    if constexpr (std::is_same_v<S, double>) {
      run(job.wide_rule);
    } else {
      run(job.rule);
    }
  });
}

/// average = average * momentum + batch * (1 - momentum), in the average's own dtype as Keras does;
/// batch is float32 or float64.
struct FollowJob {
  DType dtype, batch_dtype;
  InOut average;
  const void* batch;
  double momentum;
  std::int64_t size;
};

template <class S, class B>
struct FollowElement {
  using T = compute_t<S>;
  FollowJob job;
  LAMINA_HOST_DEVICE void operator()(std::int64_t i) const {
    const T keep = T(job.momentum), take = T(1.0 - job.momentum);
    const T batch = widen(narrow<S>(T(static_cast<const B*>(job.batch)[i])));
    static_cast<S*>(job.average.out)[i] =
        narrow<S>(element_of<S>(job.average.in, i) * keep + batch * take);
  }
};

template <class Executor>
bool execute(const FollowJob& job, Executor& executor) {
  return dispatch_float(job.dtype, [&]<class S>(S) {
    if (job.batch_dtype == DType::kFloat64) {
      executor.for_each(job.size, FollowElement<S, double>{job});
    } else {
      executor.for_each(job.size, FollowElement<S, float>{job});
    }
  });
}

}  // namespace lamina::kernels
