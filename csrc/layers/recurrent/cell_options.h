#pragma once
#include <lamina/error.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "layers/activation_function.h"
#include "layers/arguments.h"
#include "layers/config/registered_layers.h"

// The options that cells have, and the layers that make one of their own.
namespace lamina::layers {

/// Whether they are those of an LSTM or a GRU.
template <class Options>
inline constexpr bool kGated = requires(const Options& options) {
  options.recurrent_activation;
};

/// Rates as Keras keeps them.
template <class Options>
[[nodiscard]] Options within_bounds(Options options) {
  for (double* rate : {&options.dropout, &options.recurrent_dropout}) {
    *rate = std::min(1.0, std::max(0.0, *rate));
  }
  return options;
}

/// Of the activations. Throws ValueError, in Keras's words where it has some, without the layer.
template <class Options>
void check_activations(const Options& options) {
  check_activation(options.activation);
  if constexpr (kGated<Options>) check_activation(options.recurrent_activation);
}
/// And of units.
template <class Options>
void check_cell_options(const Options& options) {
  if (options.units <= 0) {
    throw ValueError(
        "Received an invalid value for argument `units`, expected a positive integer, got " +
        std::to_string(options.units) + ".");
  }
  if (options.units > kLargestDim) {
    throw ValueError("`units` is too large: " + std::to_string(options.units));
  }
  check_activations(options);
}

/// Ones for the second of four gates.
[[nodiscard]] inline Variable::Initializer with_forget_bias(Variable::Initializer plain,
                                                            std::int64_t units) {
  return [plain = std::move(plain), units](const Shape& shape, DType dtype) {
    const Variable::Initializer ones = Initializer("ones").bind();
    Tensor whole = Tensor::empty(shape, dtype);
    std::byte* to = whole.bytes().data();
    for (const Tensor& part :
         {plain({units}, dtype), ones({units}, dtype), plain({2 * units}, dtype)}) {
      std::memcpy(to, part.bytes().data(), part.nbytes());
      to += part.nbytes();
    }
    return whole;
  };
}
/// What the bias of so many units, or filters, a gate begins with.
template <class Options>
[[nodiscard]] Variable::Initializer bias_initializer(const Options& options, std::int64_t units) {
  Variable::Initializer plain = options.bias_initializer.bind();
  if constexpr (requires { options.unit_forget_bias; }) {
    if (options.unit_forget_bias) return with_forget_bias(std::move(plain), units);
  }
  return plain;
}

/// Of a layer's options those that are its cell's, and are of one name there.
template <class CellOptions, class Options>
[[nodiscard]] CellOptions cell_options(const Options& options) {
  CellOptions cell;
  if constexpr (requires { cell.units; }) cell.units = options.units;
  cell.activation = options.activation;
  cell.use_bias = options.use_bias;
  cell.kernel_initializer = options.kernel_initializer;
  cell.recurrent_initializer = options.recurrent_initializer;
  cell.bias_initializer = options.bias_initializer;
  cell.kernel_regularizer = options.kernel_regularizer;
  cell.recurrent_regularizer = options.recurrent_regularizer;
  cell.bias_regularizer = options.bias_regularizer;
  cell.kernel_constraint = options.kernel_constraint;
  cell.recurrent_constraint = options.recurrent_constraint;
  cell.bias_constraint = options.bias_constraint;
  cell.dropout = options.dropout;
  cell.recurrent_dropout = options.recurrent_dropout;
  if constexpr (kGated<Options>) cell.recurrent_activation = options.recurrent_activation;
  if constexpr (requires { options.unit_forget_bias; }) {
    cell.unit_forget_bias = options.unit_forget_bias;
  }
  if constexpr (requires { options.reset_after; }) cell.reset_after = options.reset_after;
  cell.trainable = options.trainable;
  return cell;
}

/// In configurations.
template <class Options>
void describe_cell(Config& config, Options& options) {
  if constexpr (requires { options.units; }) {
    config.required({"units"});
    config.integer("units", options.units);
  }
  config.activation("activation", options.activation);
  if constexpr (kGated<Options>) {
    config.activation("recurrent_activation", options.recurrent_activation);
  }
  config.boolean("use_bias", options.use_bias);
  config.weights(
      {{"kernel", options.kernel_initializer, options.kernel_regularizer,
        options.kernel_constraint},
       {"recurrent", options.recurrent_initializer, options.recurrent_regularizer,
        options.recurrent_constraint},
       {"bias", options.bias_initializer, options.bias_regularizer, options.bias_constraint}});
  if constexpr (requires { options.unit_forget_bias; }) {
    config.boolean("unit_forget_bias", options.unit_forget_bias);
  }
  config.number("dropout", options.dropout);
  config.number("recurrent_dropout", options.recurrent_dropout);
  if constexpr (requires { options.reset_after; }) {
    config.boolean("reset_after", options.reset_after);
  }
}

}  // namespace lamina::layers
