#include <lamina/error.h>
#include <lamina/initializers.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/naming.h"
#include "layers/values/orthogonal.h"
#include "layers/values/random.h"

namespace lamina {
namespace {

// Random values are made as float32 and then converted.
template <class FillFloats>
Tensor random_tensor(const Shape& shape, DType dtype, const FillFloats& fill) {
  Tensor values = Tensor::empty(shape);
  fill(values.data<float>());
  return values.cast(dtype);
}

struct Fans {
  double in = 1, out = 1;
};

Fans fans_of(const Shape& shape) {
  const std::vector<std::int64_t>& dims = shape.dims();
  if (dims.empty()) return {};
  if (dims.size() == 1) return {static_cast<double>(dims[0]), static_cast<double>(dims[0])};
  double receptive = 1;
  for (std::size_t i = 0; i + 2 < dims.size(); ++i) receptive *= static_cast<double>(dims[i]);
  return {receptive * static_cast<double>(dims[dims.size() - 2]),
          receptive * static_cast<double>(dims.back())};
}

Tensor broadcast_constant(const ArrayLike& value, const Shape& shape, DType dtype) {
  const std::size_t rank = shape.rank();
  const std::size_t given = value.shape.rank();
  std::vector<std::size_t> strides(rank, 0);
  bool fits = given <= rank;
  std::size_t stride = 1;
  for (std::size_t i = given; fits && i-- > 0;) {
    const std::int64_t dim = value.shape.dims()[i];
    const std::size_t axis = rank - given + i;
    fits = dim == 1 || dim == shape.dims()[axis];
    strides[axis] = dim == 1 ? 0 : stride;
    stride *= static_cast<std::size_t>(dim);
  }
  if (!fits) {
    throw ValueError("A constant of shape " + value.shape.str() +
                     " cannot be broadcast to a variable of shape " + shape.str() + ".");
  }
  Tensor out = Tensor::empty(shape, DType::kFloat64);
  const std::span<double> elements = out.data<double>();
  for (std::size_t i = 0; i < elements.size(); ++i) {
    std::size_t rest = i, source = 0;
    for (std::size_t axis = rank; axis-- > 0;) {
      const auto dim = static_cast<std::size_t>(shape.dims()[axis]);
      source += rest % dim * strides[axis];
      rest /= dim;
    }
    elements[i] = value.values[source];
  }
  return out.cast(dtype);
}

Tensor full(double value, const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape, dtype);
  dispatch(dtype, [&]<class T>(T) {
    const std::span<T> elements = out.data<T>();
    std::fill(elements.begin(), elements.end(), static_cast<T>(value));
  });
  return out;
}

Tensor identity(double gain, const Shape& shape, DType dtype) {
  if (shape.rank() != 2) {
    throw ValueError(
        "Identity matrix initializer can only be used for 2D matrices. Received: shape=" +
        shape.str() + " of rank " + std::to_string(shape.rank()) + ".");
  }
  Tensor out = Tensor::zeros(shape);
  const std::span<float> elements = out.data<float>();
  for (std::int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) {
    elements[static_cast<std::size_t>(i * (shape[1] + 1))] = static_cast<float>(gain);
  }
  return out.cast(dtype);
}

Initializer named(const std::string& name) {
  using initializers::VarianceScaling;
  static const std::map<std::string, Initializer (*)()> kByName = {
      {"zeros", [] { return Initializer(initializers::Constant{0.0}); }},
      {"zero", [] { return Initializer(initializers::Constant{0.0}); }},
      {"ones", [] { return Initializer(initializers::Constant{1.0}); }},
      {"one", [] { return Initializer(initializers::Constant{1.0}); }},
      {"constant", [] { return Initializer(initializers::Constant{}); }},
      {"identity", [] { return Initializer(initializers::Identity{}); }},
      {"orthogonal", [] { return Initializer(initializers::Orthogonal{}); }},
      {"random_normal", [] { return Initializer(initializers::RandomNormal{}); }},
      {"normal", [] { return Initializer(initializers::RandomNormal{}); }},
      {"random_uniform", [] { return Initializer(initializers::RandomUniform{}); }},
      {"uniform", [] { return Initializer(initializers::RandomUniform{}); }},
      {"truncated_normal", [] { return Initializer(initializers::TruncatedNormal{}); }},
      {"variance_scaling", [] { return Initializer(VarianceScaling{}); }},
      {"glorot_uniform",
       [] {
         return Initializer(VarianceScaling{1.0, "fan_avg", "uniform"});
       }},
      {"glorot_normal",
       [] {
         return Initializer(VarianceScaling{1.0, "fan_avg", "truncated_normal"});
       }},
      {"he_uniform",
       [] {
         return Initializer(VarianceScaling{2.0, "fan_in", "uniform"});
       }},
      {"he_normal",
       [] {
         return Initializer(VarianceScaling{2.0, "fan_in", "truncated_normal"});
       }},
      {"lecun_uniform",
       [] {
         return Initializer(VarianceScaling{1.0, "fan_in", "uniform"});
       }},
      {"lecun_normal",
       [] {
         return Initializer(VarianceScaling{1.0, "fan_in", "truncated_normal"});
       }},
  };
  const auto it = kByName.find(core::to_snake_case(name));
  if (it != kByName.end()) return it->second();
  std::string known;
  for (const auto& [key, make] : kByName) known.append(known.empty() ? "" : ", ").append(key);
  throw ValueError(std::string("Could not interpret initializer identifier: ")
                       .append(name)
                       .append("; there are ")
                       .append(known));
}

}  // namespace

ArrayLike::ArrayLike(std::vector<double> list, Shape array_shape)
    : values(std::move(list)), shape(std::move(array_shape)), given(true) {
  if (shape.size() != static_cast<std::int64_t>(values.size())) {
    throw ValueError("An array of shape " + shape.str() + " does not have " +
                     std::to_string(values.size()) + " elements.");
  }
}

Initializer::Initializer(const char* name) : Initializer(std::string(name)) {}

Initializer::Initializer(const std::string& name) : Initializer(named(name)) {}

Initializer::Initializer(initializers::Constant constant)
    : draw_([value = std::move(constant.value)](std::uint64_t, std::uint64_t, const Shape& shape,
                                                DType dtype) {
        return value.shape.rank() == 0 && value.values.size() == 1
                   ? full(value.values[0], shape, dtype)
                   : broadcast_constant(value, shape, dtype);
      }) {}

Initializer::Initializer(initializers::RandomNormal normal)
    : draw_([normal](std::uint64_t key, std::uint64_t stream, const Shape& shape, DType dtype) {
        return random_tensor(shape, dtype, [&](std::span<float> out) {
          layers::fill_normal({key, stream}, normal.mean, normal.stddev, out);
        });
      }),
      seed_(normal.seed) {}

Initializer::Initializer(initializers::TruncatedNormal normal)
    : draw_([normal](std::uint64_t key, std::uint64_t stream, const Shape& shape, DType dtype) {
        return random_tensor(shape, dtype, [&](std::span<float> out) {
          layers::fill_truncated_normal({key, stream}, normal.mean, normal.stddev, out);
        });
      }),
      seed_(normal.seed) {}

Initializer::Initializer(initializers::RandomUniform uniform)
    : draw_([uniform](std::uint64_t key, std::uint64_t stream, const Shape& shape, DType dtype) {
        return random_tensor(shape, dtype, [&](std::span<float> out) {
          layers::fill_uniform({key, stream}, uniform.minval, uniform.maxval, out);
        });
      }),
      seed_(uniform.seed) {}

Initializer::Initializer(const initializers::VarianceScaling& scaling)
    : seed_(scaling.seed), goes_by_fans_(true) {
  if (!(scaling.scale > 0)) {
    throw ValueError("Argument `scale` must be positive float. Received: scale=" +
                     std::to_string(scaling.scale));
  }
  if (scaling.mode != "fan_in" && scaling.mode != "fan_out" && scaling.mode != "fan_avg") {
    throw ValueError("Invalid `mode` argument: " + scaling.mode +
                     ". Please use one of 'fan_in', 'fan_out', 'fan_avg'.");
  }
  if (scaling.distribution != "normal" && scaling.distribution != "truncated_normal" &&
      scaling.distribution != "untruncated_normal" && scaling.distribution != "uniform") {
    throw ValueError(
        "Invalid `distribution` argument: " + scaling.distribution +
        ". Please use one of 'normal', 'truncated_normal', 'untruncated_normal', 'uniform'.");
  }
  draw_ = [scaling](std::uint64_t key, std::uint64_t stream, const Shape& shape, DType dtype) {
    const Fans fans = fans_of(shape);
    const double n = scaling.mode == "fan_in"    ? fans.in
                     : scaling.mode == "fan_out" ? fans.out
                                                 : (fans.in + fans.out) / 2;
    const double variance = scaling.scale / std::max(1.0, n);
    return random_tensor(shape, dtype, [&](std::span<float> out) {
      if (scaling.distribution == "uniform") {
        const double limit = std::sqrt(3 * variance);
        layers::fill_uniform({key, stream}, -limit, limit, out);
      } else if (scaling.distribution == "untruncated_normal") {
        layers::fill_normal({key, stream}, 0, std::sqrt(variance), out);
      } else {
        // The standard deviation of a unit normal truncated at two.
        constexpr double kTruncatedStddev = 0.87962566103423978;
        layers::fill_truncated_normal({key, stream}, 0, std::sqrt(variance) / kTruncatedStddev,
                                      out);
      }
    });
  };
}

Initializer::Initializer(initializers::Orthogonal orthogonal)
    : draw_([orthogonal](std::uint64_t key, std::uint64_t stream, const Shape& shape, DType dtype) {
        return layers::orthogonal_matrix({key, stream}, orthogonal.gain, shape).cast(dtype);
      }),
      seed_(orthogonal.seed) {}

Initializer::Initializer(initializers::Identity eye)
    : draw_([eye](std::uint64_t, std::uint64_t, const Shape& shape, DType dtype) {
        return identity(eye.gain, shape, dtype);
      }) {}

Initializer::Initializer(Variable::Initializer function)
    : draw_([function = std::move(function)](std::uint64_t, std::uint64_t, const Shape& shape,
                                             DType dtype) { return function(shape, dtype); }) {}

Variable::Initializer Initializer::bind() const {
  const layers::RandomStream stream =
      seed_ ? layers::RandomStream{*seed_, 0} : layers::next_random_stream();
  return [draw = draw_, stream](const Shape& shape, DType dtype) {
    return draw(stream.key, stream.stream, shape, dtype);
  };
}

// Elements are drawn one like the other, so those of a matrix with these fans will do.
Variable::Initializer Initializer::bind(std::vector<std::size_t> input_axes) const {
  if (!goes_by_fans_) return bind();
  return [draw = bind(), axes = std::move(input_axes)](const Shape& shape, DType dtype) {
    Shape in, out;
    for (std::size_t i = 0; i < shape.rank(); ++i) {
      const bool summed = std::find(axes.begin(), axes.end(), i) != axes.end();
      (summed ? in : out).push_back(shape.dims()[i]);
    }
    return draw({in.size(), out.size()}, dtype).reshape(shape);
  };
}

}  // namespace lamina
