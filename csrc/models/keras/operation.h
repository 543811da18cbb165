#pragma once
#include <lamina/layer.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lamina::models {

/// True for a call in a graph that is no layer to Keras (`x + y` on placeholders): it takes part in
/// the order of the graph, but not in `layers`, and files hold nothing of it.
[[nodiscard]] bool is_operation(const Layer& layer);

/// An operand of an operation that is a number: where it stands and its value.
struct Scalar {
  std::size_t position;
  double value;
  bool integer = false;  ///< written without a point
};

/// What a configuration says of an operation of `keras.ops`.
struct OperationConfig {
  std::string class_name, name;
  const nlohmann::json& config;
};

/// The operation, of a call on so many tensors beside `scalars`; null when Lamina has none of that
/// name. The scalars of a call belong to the operation here, so each call makes one of its own.
[[nodiscard]] LayerPtr make_operation(const OperationConfig& config, std::size_t tensors,
                                      const std::vector<Scalar>& scalars);

/// Keras's object of an operation, its operands that are numbers, and whether those that are
/// tensors are a list.
[[nodiscard]] nlohmann::json operation_to_object(const Layer& operation);
[[nodiscard]] const std::vector<Scalar>& scalars_of(const Layer& operation);
[[nodiscard]] bool takes_list_of_operands(const Layer& operation);

}  // namespace lamina::models
