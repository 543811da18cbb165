#include "ops/supported.h"

#include <lamina/error.h>

#include "core/compute_dtype.h"
#include "ops/elementwise.h"
#include "ops/op_info.h"

namespace lamina::ops {
namespace {

/// The columns of ops.def.
enum class DTypes : std::uint8_t { kFloats, kAny, kSome };
enum class Inputs : std::uint8_t { kAlike, kMixed };

// Of kSome.
bool number(DType dtype) {
  return dtype != DType::kBool;
}
bool takes(const Pool2D& op, DType dtype) {
  return is_floating(dtype) || (number(dtype) && op.kind == Pool2D::Kind::kMax);
}
bool takes(const Reduce& op, DType dtype) {
  return is_floating(dtype) || (number(dtype) && op.kind != Reduce::Kind::kMean);
}
bool takes(const Argsort&, DType dtype) {
  return dtype == DType::kInt32;
}
bool takes(const BinaryOp& op, DType dtype) {
  return is_floating(dtype) ||
         (number(dtype) && !kernels::needs_floats(op.kind) && op.activation.kind == Unary::kLinear);
}

template <DTypes kDTypes, class Op>
bool defined_for(const Op& op, DType dtype) {
  if constexpr (kDTypes == DTypes::kSome) return takes(op, dtype);
  return kDTypes == DTypes::kAny || is_floating(dtype);
}

/// Whether an operation's arithmetic is defined for a dtype.
struct IsDefined {
  DType dtype;
#define LAMINA_OP(Op, name, dtypes, inputs)        \
  bool operator()(const Op& op) const {            \
    return defined_for<DTypes::dtypes>(op, dtype); \
  }
#include "ops/ops.def"
};

struct MayMix {
#define LAMINA_OP(Op, name, dtypes, inputs)  \
  bool operator()(const Op&) const {         \
    return Inputs::inputs == Inputs::kMixed; \
  }
#include "ops/ops.def"
};

[[noreturn]] void refuse_mixed(const OpSpec& spec) {
  throw UnsupportedError(describe(spec) + " mixes dtypes; a Cast is missing.");
}

/// Of one dtype are the factors, and the product or what it is computed in.
bool mixes(const MatMul& op) {
  const DType dtype = op.x0.dtype;
  return op.x1.dtype != dtype || (op.y.dtype != dtype && op.y.dtype != core::compute_dtype(dtype));
}

}  // namespace

void require_supported(const OpSpec& spec) {
  if (const auto* op = std::get_if<MatMul>(&spec); op != nullptr && mixes(*op)) refuse_mixed(spec);
  const DType dtype = output_spec(spec).dtype;
  if (const auto* op = std::get_if<UnaryGradient>(&spec);
      op != nullptr && op->from_output && !derives_from_output(op->of.activation)) {
    throw UnsupportedError(describe(spec) + " has no derivative in terms of its output.");
  }
  if (!std::visit(IsDefined{dtype}, spec)) {
    throw UnsupportedError(describe(spec) + " is not defined for the dtype " +
                           std::string(dtype_name(dtype)) + ".");
  }
  if (std::visit(MayMix{}, spec)) return;
  for (const TensorSpec& input : input_specs(spec)) {
    if (input.dtype != dtype) refuse_mixed(spec);
  }
}

}  // namespace lamina::ops
