#include <lamina/error.h>
#include <lamina/initializers.h>

#include <algorithm>
#include <array>
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

/// By the alternatives of Initializer::Kind.
constexpr std::array kClasses = {"",
                                 "Zeros",
                                 "Ones",
                                 "Constant",
                                 "RandomNormal",
                                 "TruncatedNormal",
                                 "RandomUniform",
                                 "VarianceScaling",
                                 "GlorotUniform",
                                 "GlorotNormal",
                                 "HeUniform",
                                 "HeNormal",
                                 "LecunUniform",
                                 "LecunNormal",
                                 "Orthogonal",
                                 "Identity"};
static_assert(kClasses.size() == std::variant_size_v<Initializer::Kind>);

namespace init = initializers;

// What VarianceScaling and those that have a name for one of its kind are.
const init::VarianceScaling& scaling_of(const init::VarianceScaling& scaling) {
  return scaling;
}
init::VarianceScaling scaling_of(init::GlorotUniform given) {
  return {1, "fan_avg", "uniform", given.seed};
}
init::VarianceScaling scaling_of(init::GlorotNormal given) {
  return {1, "fan_avg", "truncated_normal", given.seed};
}
init::VarianceScaling scaling_of(init::HeUniform given) {
  return {2, "fan_in", "uniform", given.seed};
}
init::VarianceScaling scaling_of(init::HeNormal given) {
  return {2, "fan_in", "truncated_normal", given.seed};
}
init::VarianceScaling scaling_of(init::LecunUniform given) {
  return {1, "fan_in", "uniform", given.seed};
}
init::VarianceScaling scaling_of(init::LecunNormal given) {
  return {1, "fan_in", "truncated_normal", given.seed};
}
template <class T>
concept Scaled = requires(const T& given) {
  scaling_of(given);
};

/// Draws a variable's first value.
struct Draw {
  layers::RandomStream stream;
  const Shape& shape;
  DType dtype;

  Tensor operator()(const Variable::Initializer& function) const { return function(shape, dtype); }
  Tensor operator()(init::Zeros) const { return full(0, shape, dtype); }
  Tensor operator()(init::Ones) const { return full(1, shape, dtype); }
  Tensor operator()(const init::Constant& constant) const {
    const ArrayLike& value = constant.value;
    return value.shape.rank() == 0 && value.values.size() == 1
               ? full(value.values[0], shape, dtype)
               : broadcast_constant(value, shape, dtype);
  }
  Tensor operator()(const init::RandomNormal& normal) const {
    return random_tensor(shape, dtype, [&](std::span<float> out) {
      layers::fill_normal(stream, normal.mean, normal.stddev, out);
    });
  }
  Tensor operator()(const init::TruncatedNormal& normal) const {
    return random_tensor(shape, dtype, [&](std::span<float> out) {
      layers::fill_truncated_normal(stream, normal.mean, normal.stddev, out);
    });
  }
  Tensor operator()(const init::RandomUniform& uniform) const {
    return random_tensor(shape, dtype, [&](std::span<float> out) {
      layers::fill_uniform(stream, uniform.minval, uniform.maxval, out);
    });
  }
  template <Scaled Given>
  Tensor operator()(const Given& given) const {
    const init::VarianceScaling scaling = scaling_of(given);
    const Fans fans = fans_of(shape);
    const double n = scaling.mode == "fan_in"    ? fans.in
                     : scaling.mode == "fan_out" ? fans.out
                                                 : (fans.in + fans.out) / 2;
    const double variance = scaling.scale / std::max(1.0, n);
    return random_tensor(shape, dtype, [&](std::span<float> out) {
      if (scaling.distribution == "uniform") {
        const double limit = std::sqrt(3 * variance);
        layers::fill_uniform(stream, -limit, limit, out);
      } else if (scaling.distribution == "untruncated_normal") {
        layers::fill_normal(stream, 0, std::sqrt(variance), out);
      } else {
        // The standard deviation of a unit normal truncated at two.
        constexpr double kTruncatedStddev = 0.87962566103423978;
        layers::fill_truncated_normal(stream, 0, std::sqrt(variance) / kTruncatedStddev, out);
      }
    });
  }
  Tensor operator()(const init::Orthogonal& orthogonal) const {
    return layers::orthogonal_matrix(stream, orthogonal.gain, shape).cast(dtype);
  }
  Tensor operator()(init::Identity eye) const { return identity(eye.gain, shape, dtype); }
};

std::optional<std::uint64_t> seed_of(const Initializer::Kind& kind) {
  return std::visit(
      [](const auto& given) -> std::optional<std::uint64_t> {
        if constexpr (requires { given.seed; }) return given.seed;
        return std::nullopt;
      },
      kind);
}

bool goes_by_fans(const Initializer::Kind& kind) {
  return std::visit([]<class Given>(const Given&) { return Scaled<Given>; }, kind);
}

template <class Given>
Initializer make() {
  return Given{};
}

Initializer named(const std::string& name) {
  static const std::map<std::string, Initializer (*)()> kByName = {
      {"zeros", make<init::Zeros>},
      {"zero", make<init::Zeros>},
      {"ones", make<init::Ones>},
      {"one", make<init::Ones>},
      {"constant", make<init::Constant>},
      {"identity", make<init::Identity>},
      {"orthogonal", make<init::Orthogonal>},
      {"random_normal", make<init::RandomNormal>},
      {"normal", make<init::RandomNormal>},
      {"random_uniform", make<init::RandomUniform>},
      {"uniform", make<init::RandomUniform>},
      {"truncated_normal", make<init::TruncatedNormal>},
      {"variance_scaling", make<init::VarianceScaling>},
      {"glorot_uniform", make<init::GlorotUniform>},
      {"glorot_normal", make<init::GlorotNormal>},
      {"he_uniform", make<init::HeUniform>},
      {"he_normal", make<init::HeNormal>},
      {"lecun_uniform", make<init::LecunUniform>},
      {"lecun_normal", make<init::LecunNormal>},
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

Initializer::Initializer(initializers::Zeros zeros) : kind_(zeros) {}
Initializer::Initializer(initializers::Ones ones) : kind_(ones) {}
Initializer::Initializer(initializers::Constant constant) {
  if (!constant.value.given) throw ValueError("A Constant initializer needs a `value`.");
  kind_ = std::move(constant);
}
Initializer::Initializer(initializers::RandomNormal normal) : kind_(normal) {}
Initializer::Initializer(initializers::TruncatedNormal normal) : kind_(normal) {}
Initializer::Initializer(initializers::RandomUniform uniform) : kind_(uniform) {}
Initializer::Initializer(initializers::GlorotUniform uniform) : kind_(uniform) {}
Initializer::Initializer(initializers::GlorotNormal normal) : kind_(normal) {}
Initializer::Initializer(initializers::HeUniform uniform) : kind_(uniform) {}
Initializer::Initializer(initializers::HeNormal normal) : kind_(normal) {}
Initializer::Initializer(initializers::LecunUniform uniform) : kind_(uniform) {}
Initializer::Initializer(initializers::LecunNormal normal) : kind_(normal) {}
Initializer::Initializer(initializers::Orthogonal orthogonal) : kind_(orthogonal) {}
Initializer::Initializer(initializers::Identity identity) : kind_(identity) {}
Initializer::Initializer(Variable::Initializer function) : kind_(std::move(function)) {}

Initializer::Initializer(initializers::VarianceScaling scaling) {
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
  if (scaling.distribution == "normal") scaling.distribution = "truncated_normal";  // as Keras
  kind_ = std::move(scaling);
}

std::string Initializer::class_name() const {
  return kClasses[kind_.index()];
}

Variable::Initializer Initializer::bind() const {
  const std::optional<std::uint64_t> seed = seed_of(kind_);
  const layers::RandomStream stream =
      seed ? layers::RandomStream{*seed, 0} : layers::next_random_stream();
  return [kind = kind_, stream](const Shape& shape, DType dtype) {
    return std::visit(Draw{stream, shape, dtype}, kind);
  };
}

// Elements are drawn one like the other, so those of a matrix with these fans will do.
Variable::Initializer Initializer::bind(std::vector<std::size_t> input_axes) const {
  if (!goes_by_fans(kind_)) return bind();
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
