#pragma once
#include <lamina/axes.h>
#include <lamina/shape.h>

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What options of layers are made of.
namespace lamina::layers {

/// One integer for both spatial axes, or {height, width}.
struct IntPair {
  std::int64_t first = 1, second = 1;
  IntPair() = default;
  IntPair(std::int64_t both) : first(both), second(both) {}  // NOLINT: implicit on purpose
  IntPair(std::int64_t height, std::int64_t width) : first(height), second(width) {}
  friend bool operator==(const IntPair&, const IntPair&) = default;
};

/// One integer for all three spatial axes, or {depth, height, width}.
struct IntTriple {
  std::int64_t first = 1, second = 1, third = 1;
  IntTriple() = default;
  IntTriple(std::int64_t all) : first(all), second(all), third(all) {}  // NOLINT: implicit
  IntTriple(std::int64_t depth, std::int64_t height, std::int64_t width)
      : first(depth), second(height), third(width) {}
  friend bool operator==(const IntTriple&, const IntTriple&) = default;
};

/// Padding of height and width: one integer, {height, width}, or {{top, bottom}, {left, right}}.
struct Padding2D {
  IntPair height = 1, width = 1;
  Padding2D() = default;
  Padding2D(std::int64_t all) : height(all), width(all) {}  // NOLINT: implicit on purpose
  Padding2D(IntPair height_padding, IntPair width_padding)
      : height(height_padding), width(width_padding) {}
};

/// Padding of depth, height and width: one integer, {depth, height, width}, or three pairs of what
/// lies before and behind.
struct Padding3D {
  IntPair depth = 1, height = 1, width = 1;
  Padding3D() = default;
  Padding3D(std::int64_t all) : depth(all), height(all), width(all) {}  // NOLINT: implicit
  Padding3D(IntPair depth_padding, IntPair height_padding, IntPair width_padding)
      : depth(depth_padding), height(height_padding), width(width_padding) {}
};

/// An activation: one of Keras's names ("linear", "relu", "relu6", "leaky_relu", "elu", "selu",
/// "silu" or "swish", "gelu" (exact), "sigmoid", "hard_sigmoid", "hard_silu" or "hard_swish",
/// "tanh", "softplus", "softsign", "exponential", "mish", "softmax", "log_softmax"), or one with
/// parameters. An empty name is "linear". An unknown name throws ValueError when a layer is made
/// with it.
struct ActivationFunction {
  ActivationFunction() = default;
  ActivationFunction(const char* keras_name) : name(keras_name) {}             // NOLINT: implicit
  ActivationFunction(std::string keras_name) : name(std::move(keras_name)) {}  // NOLINT

  // With parameters, named as in keras.activations; what they mean for ReLU, ELU and Softmax is
  // with these layers.
  static ActivationFunction relu(double negative_slope,
                                 double max_value = std::numeric_limits<double>::infinity(),
                                 double threshold = 0);
  static ActivationFunction leaky_relu(double negative_slope);
  static ActivationFunction elu(double alpha);
  /// x P(X <= x), X normal; approximate: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
  static ActivationFunction gelu(bool approximate);
  static ActivationFunction softmax(Axes axis);

  std::string name;
  std::vector<double> parameters;  ///< as the factories above set them; empty: Keras's defaults
  /// Of one that is a layer of Keras's, as a configuration may have it, what that says: a layer
  /// that is made with this activation then holds that one, as Keras's does. With parameters it is
  /// found by itself.
  std::string layer_config = {};
};

/// A shape that may be left out: `{28, 28, 1}` or a Shape. `{}` is "not given"; `Shape{}` is a
/// scalar's.
struct OptionalShape {
  OptionalShape() = default;
  OptionalShape(Shape shape) : value(std::move(shape)) {}  // NOLINT: implicit
  OptionalShape(std::initializer_list<std::int64_t> dims) : value(Shape(dims)) {}  // NOLINT
  std::optional<Shape> value;
};

}  // namespace lamina::layers
