// What ConvLSTM1D, ConvLSTM2D and ConvLSTM3D say of themselves, image by image: all are volumes
// here, those of fewer dimensions with a depth, or a depth and a height, of 1.
#pragma once
#include <lamina/tensor.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "tests/layers/recurrence_scene.h"

namespace lamina::test {

using Place = std::array<std::int64_t, 3>;  ///< depth, row, column

struct Volume {
  Place size;
  std::int64_t channels;
  std::vector<double> values;
  Volume(const Place& place, std::int64_t c)
      : size(place),
        channels(c),
        values(static_cast<std::size_t>(place[0] * place[1] * place[2] * c), 0) {}
  double& at(const Place& place, std::int64_t channel) {
    const std::int64_t pixel = (place[0] * size[1] + place[1]) * size[2] + place[2];
    return values[static_cast<std::size_t>(pixel * channels + channel)];
  }
  template <class F>
  void for_each_place(const F& f) const {
    for (std::int64_t i = 0; i < size[0] * size[1] * size[2]; ++i) {
      f(Place{i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]});
    }
  }
};

/// How a window goes along one axis.
struct Walk {
  std::int64_t kernel = 1, stride = 1, dilation = 1;
  bool same = true;
  [[nodiscard]] std::int64_t reach() const { return (kernel - 1) * dilation + 1; }
  [[nodiscard]] std::int64_t count(std::int64_t size) const {
    return same ? (size + stride - 1) / stride : (size - reach()) / stride + 1;
  }
  [[nodiscard]] std::int64_t before(std::int64_t size) const {
    return same ? std::max<std::int64_t>((count(size) - 1) * stride + reach() - size, 0) / 2 : 0;
  }
};
using Walks = std::array<Walk, 3>;

inline Place window_counts(const Walks& walks, const Place& size) {
  return {walks[0].count(size[0]), walks[1].count(size[1]), walks[2].count(size[2])};
}

/// `kernel` (depth, rows, columns, in, out), whatever its shape says of axes of 1.
inline Volume convolved(Volume x, const Tensor& kernel, const Walks& walks) {
  const std::int64_t out = kernel.shape()[-1];
  Volume y(window_counts(walks, x.size), out);
  const std::int64_t taps = walks[0].kernel * walks[1].kernel * walks[2].kernel;
  y.for_each_place([&](const Place& place) {
    for (std::int64_t i = 0; i < taps * x.channels; ++i) {
      const std::int64_t k = i / x.channels;
      const Place tap{k / walks[2].kernel / walks[1].kernel, k / walks[2].kernel % walks[1].kernel,
                      k % walks[2].kernel};
      Place from{};
      bool inside = true;
      for (std::size_t a = 0; a < 3; ++a) {
        from[a] =
            place[a] * walks[a].stride - walks[a].before(x.size[a]) + tap[a] * walks[a].dilation;
        inside = inside && from[a] >= 0 && from[a] < x.size[a];
      }
      if (!inside) continue;
      for (std::int64_t f = 0; f < out; ++f) {
        y.at(place, f) += x.at(from, i % x.channels) *
                          kernel.data<double>()[static_cast<std::size_t>(i * out + f)];
      }
    }
  });
  return y;
}

/// What a layer is made with, and its weights.
struct ConvScene {
  Walks walks;
  std::vector<Tensor> weights;
  bool go_backwards, zero_output;
};

/// The states behind a step.
inline void go(const ConvScene& scene, const Volume& x, Volume& h, Volume& c) {
  const Walks& walks = scene.walks;
  Volume sums = convolved(x, scene.weights[0], walks);
  Volume inner = convolved(h, scene.weights[1],
                           {Walk{walks[0].kernel}, Walk{walks[1].kernel}, Walk{walks[2].kernel}});
  const std::int64_t filters = h.channels;
  h.for_each_place([&](const Place& place) {
    for (std::int64_t f = 0; f < filters; ++f) {
      const auto z = [&](std::int64_t gate) {
        const std::int64_t at = gate * filters + f;
        return sums.at(place, at) + inner.at(place, at) +
               scene.weights[2].data<double>()[static_cast<std::size_t>(at)];
      };
      double& carry = c.at(place, f);
      carry = sigmoid(z(1)) * carry + sigmoid(z(0)) * std::tanh(z(2));
      h.at(place, f) = sigmoid(z(3)) * std::tanh(carry);
    }
  });
}

inline void put(const Volume& volume, Tensor& to, std::int64_t at) {
  std::copy(volume.values.begin(), volume.values.end(),
            to.data<double>().begin() + at * static_cast<std::int64_t>(volume.values.size()));
}
inline void take(const Tensor& from, Volume& volume, std::int64_t at) {
  const auto size = static_cast<std::ptrdiff_t>(volume.values.size());
  const auto first = from.data<double>().begin() + at * size;
  std::copy(first, first + size, volume.values.begin());
}

/// (batch, time, ...), channels last, of so many axes -> the sequence and both states.
inline std::vector<Tensor> expected(const ConvScene& scene, const Tensor& x, std::size_t axes,
                                    const std::vector<Tensor>& initial, const Tensor& mask) {
  const std::int64_t batch = x.shape()[0], steps = x.shape()[1];
  const std::int64_t filters = scene.weights[2].shape()[0] / 4;
  Place size{1, 1, 1};
  for (std::size_t a = 3 - axes; a < 3; ++a) size[a] = x.shape().dims()[2 + a - (3 - axes)];
  const Place made = window_counts(scene.walks, size);
  Shape state{batch}, sequence{batch, steps};
  for (Shape* shape : {&state, &sequence}) {
    for (std::size_t a = 3 - axes; a < 3; ++a) shape->push_back(made[a]);
    shape->push_back(filters);
  }
  std::vector<Tensor> out{Tensor::zeros(sequence, DType::kFloat64),
                          Tensor::zeros(state, DType::kFloat64),
                          Tensor::zeros(state, DType::kFloat64)};
  for (std::int64_t b = 0; b < batch; ++b) {
    Volume h(made, filters), c = h, now(size, x.shape()[-1]);
    const Volume nothing = h;
    if (!initial.empty()) {
      take(initial[0], h, b);
      take(initial[1], c, b);
    }
    for (std::int64_t i = 0; i < steps; ++i) {
      const std::int64_t t = scene.go_backwards ? steps - 1 - i : i;
      const bool counts =
          !mask.defined() || mask.data<bool>()[static_cast<std::size_t>(b * steps + t)];
      take(x, now, b * steps + t);
      if (counts) go(scene, now, h, c);
      put(counts || !scene.zero_output ? h : nothing, out[0], b * steps + i);
    }
    put(h, out[1], b);
    put(c, out[2], b);
  }
  return out;
}

/// The last axis in front of the `axes` before it.
inline Tensor with_channels_first(const Tensor& x, std::size_t axes) {
  std::vector<std::int64_t> dims = x.shape().dims();
  const auto first = dims.end() - static_cast<std::ptrdiff_t>(axes + 1);
  const std::int64_t whole =
      std::accumulate(first, dims.end(), std::int64_t{1}, std::multiplies<>());
  const std::int64_t channels = dims.back(), places = whole / channels;
  std::rotate(first, dims.end() - 1, dims.end());
  Tensor y = Tensor::empty(Shape(dims), DType::kFloat64);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t image = i / whole, at = i % whole;
    const std::int64_t to = at % channels * places + at / channels;
    y.data<double>()[static_cast<std::size_t>(image * whole + to)] =
        x.data<double>()[static_cast<std::size_t>(i)];
  }
  return y;
}

}  // namespace lamina::test
