#pragma once
#include <lamina/axes.h>
#include <lamina/constraints.h>
#include <lamina/initializers.h>
#include <lamina/layer.h>
#include <lamina/layers/types.h>
#include <lamina/regularizers.h>

#include <optional>
#include <string>

namespace lamina::layers {

// Activations: any shape, unchanged.

/// activation(x); none: x.
struct ActivationOptions {
  ActivationFunction activation = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Activation(ActivationOptions options);

/// x where x > threshold, else negative_slope * (x - threshold); at most max_value.
struct ReLUOptions {
  std::optional<double> max_value = {};
  double negative_slope = 0.0;
  double threshold = 0.0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ReLU(ReLUOptions options = {});

/// x where x > 0, else negative_slope * x.
struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef LeakyReLU(LeakyReLUOptions options = {});

/// x where x > 0, else alpha * x. Variables: alpha, the input's shape without the batch, 1 along
/// `shared_axes` (which count from 1).
struct PReLUOptions {
  Initializer alpha_initializer = "zeros";
  Regularizer alpha_regularizer = {};
  Constraint alpha_constraint = {};
  Axes shared_axes = {};
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef PReLU(PReLUOptions options = {});

/// x where x > 0, else alpha * (exp(x) - 1).
struct ELUOptions {
  double alpha = 1.0;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef ELU(ELUOptions options = {});

/// exp(x) / sum(exp(x)) over `axis`; over several axes jointly. With a mask (an argument `mask` of
/// its call that broadcasts to the input, or what the input carries) over what that leaves, which
/// is what is true or greater than a half; the rest gives 0. ValueError where it does not
/// broadcast.
struct SoftmaxOptions {
  Axes axis = -1;
  std::string name = {};
  std::string dtype = {};
  bool trainable = true;
};
[[nodiscard]] LayerRef Softmax(SoftmaxOptions options = {});

}  // namespace lamina::layers
