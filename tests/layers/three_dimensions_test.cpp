// Layers of volumes by their definitions, on random shapes; and what they refuse.
#include <lamina/error.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tests/layers/expect_words.h"
#include "tests/layers/mask_scene.h"
#include "tests/random_choice.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using layers::IntTriple;
using Place = std::array<std::int64_t, 3>;

Place place(const IntTriple& triple) {
  return {triple.first, triple.second, triple.third};
}

/// Calls f with each place of a volume of this size.
template <class F>
void each(const Place& size, const F& f) {
  for (Place at{0, 0, 0}; at[0] < size[0]; ++at[0]) {
    for (at[1] = 0; at[1] < size[1]; ++at[1]) {
      for (at[2] = 0; at[2] < size[2]; ++at[2]) f(at);
    }
  }
}

/// Elements of (batch, depth, rows, columns, channels), or with the channels first.
class Volumes {
 public:
  Volumes(Tensor values, bool first) : values_(std::move(values)), first_(first) {
    const Shape& s = values_.shape();
    size_ = first ? Place{s[2], s[3], s[4]} : Place{s[1], s[2], s[3]};
  }
  [[nodiscard]] std::int64_t batch() const { return values_.shape()[0]; }
  [[nodiscard]] std::int64_t channels() const { return values_.shape()[first_ ? 1 : 4]; }
  [[nodiscard]] const Place& size() const { return size_; }
  [[nodiscard]] const Tensor& values() const { return values_; }
  [[nodiscard]] bool holds(const Place& at) const {
    for (std::size_t i = 0; i < 3; ++i) {
      if (at[i] < 0 || at[i] >= size_[i]) return false;
    }
    return true;
  }
  double& operator()(std::int64_t n, const Place& at, std::int64_t c) {
    const std::int64_t outer = first_ ? n * channels() + c : n;
    const std::int64_t inner = ((outer * size_[0] + at[0]) * size_[1] + at[1]) * size_[2] + at[2];
    return values_.data<double>()[std::size_t(first_ ? inner : inner * channels() + c)];
  }

 private:
  Tensor values_;
  bool first_;
  Place size_;
};

/// What lies before the first element of the first window.
std::int64_t before(const std::string& padding, std::int64_t size, std::int64_t window,
                    std::int64_t stride) {
  if (padding == "valid") return 0;
  const std::int64_t count = (size + stride - 1) / stride;
  return std::max<std::int64_t>((count - 1) * stride + window - size, 0) / 2;
}

class LayersOfVolumes : public MaskScene {
 protected:
  std::int64_t drawn(std::int64_t low, std::int64_t high) { return pick(random_, low, high); }
  IntTriple triple(std::int64_t low, std::int64_t high) {
    return {drawn(low, high), drawn(low, high), drawn(low, high)};
  }
  bool coin() { return drawn(0, 1) == 1; }
  std::string padding() { return coin() ? "same" : "valid"; }
  Volumes volumes(std::int64_t channels, bool first, std::int64_t least = 1) {
    const std::int64_t n = drawn(1, 2);
    const Place s = place(triple(least, 6));
    return {
        normal(first ? Shape{n, channels, s[0], s[1], s[2]} : Shape{n, s[0], s[1], s[2], channels}),
        first};
  }

  /// What a model of the layer gives, whose variables get these values, as it is compiled for
  /// prediction; in float32 too, which other kernels compute.
  void expect(const std::function<LayerRef()>& make, const std::vector<Tensor>& weights,
              const Tensor& x, const std::function<void(Volumes&)>& define, bool first) {
    for (const char* policy : {"float64", "float32"}) {
      SCOPED_TRACE(policy);
      set_dtype_policy(policy);
      const SymbolicTensor in = input(x.shape(), policy);
      const LayerRef layer = make();
      const ModelPtr model = Functional::create(in, layer(in));
      const DType dtype = dtype_from_name(policy);
      for (std::size_t i = 0; i < weights.size(); ++i) {
        layer->variables().at(i)->assign(weights[i].cast(dtype));
      }
      ASSERT_EQ(layer->variables().size(), weights.size());
      const Tensor found = model->predict(x.cast(dtype)).cast(DType::kFloat64);
      ASSERT_EQ(found.shape(), layer->compute_output_shape({x.shape()})[0]);
      Volumes wanted(Tensor::zeros(found.shape(), DType::kFloat64), first);
      define(wanted);
      expect_near(found, wanted.values(), dtype == DType::kFloat64 ? 1e-11 : 1e-4);
    }
    set_dtype_policy("float64");
  }
};

}  // namespace

TEST_F(LayersOfVolumes, ConvolutionsAreSumsOverTheirWindows) {
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    const bool first = coin(), strided = coin();
    const std::int64_t groups = drawn(1, 2), in = groups * drawn(1, 2), out = groups * drawn(1, 2);
    const IntTriple size = triple(1, 3), dilation = strided ? 1 : triple(1, 2);
    const IntTriple strides = !strided ? IntTriple(1) : round % 3 == 0 ? size : triple(1, 3);
    const std::string pads = padding();
    Volumes x = volumes(in, first, 5);
    const Place k = place(size), s = place(strides), d = place(dilation);
    Tensor kernel = normal({k[0], k[1], k[2], in / groups, out}), bias = normal({out});
    const auto make = [&] {
      return L::Conv3D({.filters = out,
                        .kernel_size = size,
                        .strides = strides,
                        .padding = pads,
                        .data_format = first ? "channels_first" : "channels_last",
                        .dilation_rate = dilation,
                        .groups = groups});
    };
    const auto define = [&](Volumes& y) {
      for (std::int64_t n = 0; n < y.batch(); ++n) {
        each(y.size(), [&](const Place& at) {
          for (std::int64_t f = 0; f < out; ++f) {
            double sum = bias.data<double>()[std::size_t(f)];
            each(k, [&](const Place& tap) {
              Place from{};
              for (std::size_t i = 0; i < 3; ++i) {
                from[i] = at[i] * s[i] + tap[i] * d[i] -
                          before(pads, x.size()[i], (k[i] - 1) * d[i] + 1, s[i]);
              }
              if (!x.holds(from)) return;
              for (std::int64_t c = 0; c < in / groups; ++c) {
                sum += x(n, from, f / (out / groups) * (in / groups) + c) *
                       test::at(kernel, {tap[0], tap[1], tap[2], c, f});
              }
            });
            y(n, at, f) = sum;
          }
        });
      }
    };
    expect(make, {kernel, bias}, x.values(), define, first);
  }
}

TEST_F(LayersOfVolumes, TransposedConvolutionsAddUpWhatEachElementGives) {
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    const bool first = coin(), strided = coin();
    const std::int64_t in = drawn(1, 2), out = drawn(1, 3);
    const IntTriple size = triple(1, 4), dilation = strided ? 1 : triple(1, 2);
    const IntTriple strides = strided ? triple(1, 3) : 1;
    const std::string pads = padding();
    Volumes x = volumes(in, first);
    const Place k = place(size), s = place(strides), d = place(dilation);
    Tensor kernel = normal({k[0], k[1], k[2], out, in}), bias = normal({out});
    const auto make = [&] {
      return L::Conv3DTranspose({.filters = out,
                                 .kernel_size = size,
                                 .strides = strides,
                                 .padding = pads,
                                 .data_format = first ? "channels_first" : "channels_last",
                                 .dilation_rate = dilation});
    };
    const auto define = [&](Volumes& y) {
      Place cut{0, 0, 0};
      for (std::size_t i = 0; i < 3; ++i) {
        const std::int64_t window = (k[i] - 1) * d[i] + 1, whole = s[i] + window - 2;
        ASSERT_EQ(y.size()[i], pads == "same" ? x.size()[i] * s[i]
                                              : (x.size()[i] - 1) * s[i] + std::max(window, s[i]));
        if (pads == "same") cut[i] = window - 1 - std::min((whole + 1) / 2, window - 1);
      }
      for (std::int64_t n = 0; n < y.batch(); ++n) {
        each(y.size(), [&](const Place& at) {
          for (std::int64_t f = 0; f < out; ++f) y(n, at, f) = bias.data<double>()[std::size_t(f)];
        });
        each(x.size(), [&](const Place& from) {
          each(k, [&](const Place& tap) {
            Place to{};
            for (std::size_t i = 0; i < 3; ++i) to[i] = from[i] * s[i] + tap[i] * d[i] - cut[i];
            if (!y.holds(to)) return;
            for (std::int64_t f = 0; f < out; ++f) {
              for (std::int64_t c = 0; c < in; ++c) {
                y(n, to, f) += x(n, from, c) * test::at(kernel, {tap[0], tap[1], tap[2], f, c});
              }
            }
          });
        });
      }
    };
    expect(make, {kernel, bias}, x.values(), define, first);
  }
}

TEST_F(LayersOfVolumes, PoolsAreTheLargestAndTheMeansOfWindows) {
  for (int round = 0; round < 12 && !HasFailure(); ++round) {
    const bool first = coin(), mean = round % 2 == 0;
    const IntTriple size = triple(1, 3), strides = triple(1, 3);
    const std::string pads = padding(), format = first ? "channels_first" : "channels_last";
    Volumes x = volumes(drawn(1, 3), first, 3);
    const Place k = place(size), s = place(strides);
    const auto make = [&] {
      return mean ? L::AveragePooling3D({.pool_size = size,
                                         .strides = strides,
                                         .padding = pads,
                                         .data_format = format})
                  : L::MaxPooling3D({.pool_size = size,
                                     .strides = strides,
                                     .padding = pads,
                                     .data_format = format});
    };
    const auto define = [&](Volumes& y) {
      for (std::int64_t n = 0; n < y.batch(); ++n) {
        for (std::int64_t c = 0; c < y.channels(); ++c) {
          each(y.size(), [&](const Place& at) {
            double sum = 0, count = 0, largest = -std::numeric_limits<double>::infinity();
            each(k, [&](const Place& tap) {
              Place from{};
              for (std::size_t i = 0; i < 3; ++i) {
                from[i] = at[i] * s[i] + tap[i] - before(pads, x.size()[i], k[i], s[i]);
              }
              if (!x.holds(from)) return;
              sum += x(n, from, c);
              largest = std::max(largest, x(n, from, c));
              ++count;
            });
            y(n, at, c) = mean ? sum / count : largest;
          });
        }
      }
    };
    expect(make, {}, x.values(), define, first);
  }
}

TEST_F(LayersOfVolumes, EdgesAndRepetitionsMoveElements) {
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    const bool first = coin();
    const std::string format = first ? "channels_first" : "channels_last";
    const layers::IntPair depth(drawn(0, 1), drawn(0, 2)), height(drawn(0, 2), drawn(0, 1)),
        width(drawn(0, 1), drawn(0, 1));
    const Place less{depth.first, height.first, width.first}, times = place(triple(1, 3));
    Volumes x = volumes(2, first, 4);
    /// Each element is that of x in the place `source`, or 0.
    const auto moved = [&](const std::function<Place(const Place&)>& source) {
      return [&x, source](Volumes& y) {
        for (std::int64_t n = 0; n < y.batch(); ++n) {
          each(y.size(), [&](const Place& at) {
            const Place from = source(at);
            for (std::int64_t c = 0; c < 2; ++c) y(n, at, c) = x.holds(from) ? x(n, from, c) : 0;
          });
        }
      };
    };
    const auto shifted = [&](std::int64_t by) {
      return moved([less, by](Place at) {
        for (std::size_t i = 0; i < 3; ++i) at[i] += by * less[i];
        return at;
      });
    };
    expect(
        [&] {
          return L::ZeroPadding3D({{depth, height, width}, format});
        },
        {}, x.values(), shifted(-1), first);
    expect(
        [&] {
          return L::Cropping3D({{depth, height, width}, format});
        },
        {}, x.values(), shifted(1), first);
    expect(
        [&] {
          return L::UpSampling3D({{times[0], times[1], times[2]}, format});
        },
        {}, x.values(), moved([times](Place at) {
          for (std::size_t i = 0; i < 3; ++i) at[i] /= times[i];
          return at;
        }),
        first);
  }
}

TEST_F(LayersOfVolumes, MoveIntegersWithoutRounding) {
  const std::int64_t a = (std::int64_t{1} << 60) + 1;
  const Tensor x = Tensor::from<std::int64_t>({a, 2}, {1, 1, 1, 2, 1});
  const auto values = [&](const LayerRef& layer) {
    const SymbolicTensor in = input(x.shape(), "int64");
    const Tensor y = Functional::create(in, layer(in))->predict(x);
    EXPECT_EQ(y.dtype(), DType::kInt64);
    const auto elements = y.data<std::int64_t>();
    return std::vector<std::int64_t>(elements.begin(), elements.end());
  };
  using List = std::vector<std::int64_t>;
  EXPECT_EQ(values(L::UpSampling3D({.size = {2, 1, 2}})), (List{a, a, 2, 2, a, a, 2, 2}));
  EXPECT_EQ(values(L::ZeroPadding3D({.padding = {{0, 0}, {0, 0}, {1, 0}}})), (List{0, a, 2}));
  EXPECT_EQ(values(L::Cropping3D({.cropping = {{0, 0}, {0, 0}, {0, 1}}})), (List{a}));
}

TEST_F(LayersOfVolumes, RefuseWhatDoesNotSuitThem) {
  const auto on = [](const LayerRef& layer, const Shape& shape) {
    return [layer, shape] { (void)layer(input(shape)); };
  };
  expect_words<ValueError>(
      [] {
        (void)L::Conv3D({.filters = 2, .kernel_size = {2, 0, 1}});
      },
      "The `kernel_size` argument must be a tuple of 3 integers. Received "
      "kernel_size=(2, 0, 1), including values that do not satisfy `value > "
      "0`");
  expect_words<ValueError>(
      [] {
        (void)L::Conv3D(
            {.filters = 2, .kernel_size = 2, .strides = {1, 1, 2}, .dilation_rate = {2, 1, 1}});
      },
      "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: strides=(1, "
      "1, 2) and dilation_rate=(2, 1, 1)");
  expect_words<ValueError>(
      [] { (void)L::Conv3D({.filters = 2, .kernel_size = 2, .padding = "causal"}); },
      "The `padding` argument must be one of {'valid', 'same'}. Received: padding=causal");
  expect_words<ValueError>(
      on(L::Conv3D({.filters = 2, .kernel_size = {1, 1, 4}}), {kNone, 3, 3, 3, 1}),
      "Computed output size would be zero or negative.");
  expect_words<ValueError>(on(L::Conv3D({.filters = 2, .kernel_size = 1}), {kNone, 3, 3, 1}),
                           "expected ndim=5");
  expect_words<ValueError>(
      [] {
        (void)L::Conv3DTranspose(
            {.filters = 1, .kernel_size = 2, .strides = 2, .output_padding = IntTriple(0, 1, 2)});
      },
      "At dimension 2, `output_padding` is 2 but `strides` is 2.");
  expect_words<ValueError>(on(L::MaxPooling3D({.pool_size = {1, 3, 1}}), {kNone, 2, 2, 2, 1}),
                           "Computed output size would be zero or negative.");
  expect_words<ValueError>(
      on(L::Cropping3D({.cropping = {{1, 1}, {2, 1}, {0, 0}}}), {kNone, 4, 3, 2, 1}),
      "Values in `cropping` argument should be smaller than the corresponding spatial dimension of "
      "the input. Received: input_shape=(None, 4, 3, 2, 1), cropping=((1, 1), (2, 1), (0, 0))");
  expect_words<ValueError>(
      [] {
        (void)L::ZeroPadding3D({.padding = {0, 0, {0, -1}}});
      },
      "3rd entry of padding");
  expect_words<ValueError>(
      [] {
        (void)L::UpSampling3D({.size = {1, 1, 0}});
      },
      "The `size` argument must be a tuple of 3 integers.");
}
