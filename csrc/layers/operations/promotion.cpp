#include "layers/operations/promotion.h"

#include <nlohmann/json.hpp>

#include "layers/axes.h"
#include "layers/operations/operation.h"

namespace lamina::layers {
namespace {

bool is_unsigned(DType dtype) {
  return dtype == DType::kUInt8 || dtype == DType::kUInt16 || dtype == DType::kUInt32 ||
         dtype == DType::kUInt64;
}

/// Of two integers of which one is signed: one that holds both, or none.
DType signed_for(DType with_sign, DType without) {
  if (dtype_size(with_sign) > dtype_size(without)) return with_sign;
  switch (dtype_size(without)) {
    case 1:
      return DType::kInt16;
    case 2:
      return DType::kInt32;
    case 4:
      return DType::kInt64;
    default:
      return DType::kFloat32;
  }
}

DType wider(DType a, DType b) {
  return dtype_size(a) < dtype_size(b) ? b : a;
}

/// -1 is 255 among the bytes, where a cast of floats gives 0.
double wrapped(double value, DType integer) {
  const Tensor number = Tensor::from<double>({value}, {1}).cast(DType::kInt64).cast(integer);
  return number.cast(DType::kFloat64).data<double>()[0];
}

}  // namespace

DType promoted(DType a, DType b) {
  if (a == b || b == DType::kBool) return a;
  if (a == DType::kBool) return b;
  if (is_floating(a) != is_floating(b)) return is_floating(a) ? a : b;
  if (is_floating(a)) return dtype_size(a) == dtype_size(b) ? DType::kFloat32 : wider(a, b);
  if (is_unsigned(a) == is_unsigned(b)) return wider(a, b);
  return is_unsigned(a) ? signed_for(b, a) : signed_for(a, b);
}

DType promoted_with_integer(DType dtype) {
  return dtype == DType::kBool ? DType::kInt32 : dtype;
}

DType promoted_with_float(DType dtype) {
  return is_floating(dtype) ? dtype : DType::kFloat32;
}

DType float_as_wide(DType dtype) {
  return dtype == DType::kInt64 ? DType::kFloat64 : promoted_with_float(dtype);
}

DType dtype_of_sum(DType dtype) {
  if (is_floating(dtype) || dtype_size(dtype) >= 4) return dtype;
  return dtype == DType::kUInt8 || dtype == DType::kUInt16 ? DType::kUInt32 : DType::kInt32;
}

DType promoted_operands(const nlohmann::json& operands, const std::vector<DType>& tensors) {
  DType dtype = tensors.at(0);
  for (const DType other : tensors) dtype = promoted(dtype, other);
  for (const nlohmann::json& operand : operands) {
    if (is_tensor_argument(operand)) continue;
    dtype = operand.is_number_integer() ? promoted_with_integer(dtype) : promoted_with_float(dtype);
  }
  return dtype;
}

graph::ValueId constant(graph::Builder& builder, double value, const ops::TensorSpec& spec) {
  if (!is_floating(spec.dtype) && spec.dtype != DType::kBool) value = wrapped(value, spec.dtype);
  const ops::TensorSpec held{spec.shape, is_floating(spec.dtype) ? spec.dtype : DType::kFloat64};
  return builder.cast(filled(builder, held, value), spec.dtype);
}

std::vector<graph::ValueId> as_values(graph::Builder& builder, const nlohmann::json& operands,
                                      const std::vector<graph::ValueId>& tensors, DType dtype) {
  std::vector<graph::ValueId> values;
  std::size_t next = 0;
  for (const nlohmann::json& operand : operands) {
    values.push_back(is_tensor_argument(operand) ? builder.cast(tensors.at(next++), dtype)
                                                 : constant(builder, operand.get<double>(), dtype));
  }
  return values;
}

}  // namespace lamina::layers
