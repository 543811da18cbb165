#pragma once
#include "layers/operations/operation.h"

namespace lamina::layers {

// The classes of each family.
[[nodiscard]] OperationRows arithmetic_operations();
[[nodiscard]] OperationRows logic_operations();
[[nodiscard]] OperationRows elementwise_operations();
[[nodiscard]] OperationRows composed_operations();
[[nodiscard]] OperationRows activation_operations();
[[nodiscard]] OperationRows reduction_operations();
[[nodiscard]] OperationRows norm_operations();
[[nodiscard]] OperationRows normalization_operations();
[[nodiscard]] OperationRows attention_operations();
[[nodiscard]] OperationRows cumulative_operations();
[[nodiscard]] OperationRows place_operations();
[[nodiscard]] OperationRows sorting_operations();
[[nodiscard]] OperationRows shaping_operations();
[[nodiscard]] OperationRows joining_operations();
[[nodiscard]] OperationRows splitting_operations();
[[nodiscard]] OperationRows repeating_operations();
[[nodiscard]] OperationRows padding_operations();
[[nodiscard]] OperationRows slicing_operations();
[[nodiscard]] OperationRows gathering_operations();
[[nodiscard]] OperationRows matmul_operations();
[[nodiscard]] OperationRows contraction_operations();
[[nodiscard]] OperationRows product_operations();
[[nodiscard]] OperationRows plane_operations();
[[nodiscard]] OperationRows nan_operations();

/// The operation of a call; null when Lamina has none of that class. Throws UnsupportedError naming
/// it for arguments that it does not have.
[[nodiscard]] LayerPtr make_operation(OperationForm form);

/// The module that Keras has an operation's class in.
[[nodiscard]] const char* module_of(const Operation& operation);

/// Whether a configuration of this module is one of an operation.
[[nodiscard]] bool is_module_of_operations(std::string_view module);

/// True for a call in a graph that is no layer to Keras (`x + y` on placeholders): it takes part in
/// the order of the graph, but not in `layers`, and files hold nothing of it.
[[nodiscard]] bool is_operation(const Layer& layer);

/// Class names, sorted.
[[nodiscard]] std::vector<std::string> registered_operations();

}  // namespace lamina::layers
