#pragma once
#include <lamina/dtype.h>

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "graph/builder.h"

// Keras's promotion of dtypes. 64 bits stay 64, where Keras on JAX makes them 32.
namespace lamina::layers {

/// The dtype that both become.
[[nodiscard]] DType promoted(DType a, DType b);
/// Of a tensor and a number.
[[nodiscard]] DType promoted_with_integer(DType dtype);
[[nodiscard]] DType promoted_with_float(DType dtype);
/// A float as it is; of int64 float64, of other integers float32.
[[nodiscard]] DType float_as_wide(DType dtype);
/// What sums and products are of: of bools and of integers of less than 32 bits one of 32.
[[nodiscard]] DType dtype_of_sum(DType dtype);
/// Of the operands of a call, tensors or numbers.
[[nodiscard]] DType promoted_operands(const nlohmann::json& operands,
                                      const std::vector<DType>& tensors);

/// The same number everywhere; a scalar. What integers of the dtype do not hold wraps, as Keras has
/// it.
[[nodiscard]] graph::ValueId constant(graph::Builder& builder, double value,
                                      const ops::TensorSpec& spec);
[[nodiscard]] inline graph::ValueId constant(graph::Builder& builder, double value, DType dtype) {
  return constant(builder, value, ops::TensorSpec{{}, dtype});
}
/// The operands of a call as values of one dtype.
[[nodiscard]] std::vector<graph::ValueId> as_values(graph::Builder& builder,
                                                    const nlohmann::json& operands,
                                                    const std::vector<graph::ValueId>& tensors,
                                                    DType dtype);

}  // namespace lamina::layers
