#include <lamina/error.h>

#include "ops/params.h"
#include "ops/reference/evaluate.h"

namespace lamina::ops::reference {
namespace {

/// Whether an operation's arithmetic is defined for a dtype.
struct HasBody {
  DType dtype;

  [[nodiscard]] bool number() const { return dtype != DType::kBool; }
  bool operator()(const Concat&) const { return true; }
  bool operator()(const Pad&) const { return true; }
  bool operator()(const Transpose&) const { return true; }
  bool operator()(const Reshape&) const { return true; }
  bool operator()(const Gather&) const { return true; }
  bool operator()(const Cast&) const { return true; }
  bool operator()(const Pool2D& op) const {
    return is_floating(dtype) || (number() && op.kind == Pool2D::Kind::kMax);
  }
  bool operator()(const Reduce& op) const {
    return is_floating(dtype) || (number() && op.kind != Reduce::Kind::kMean);
  }
  bool operator()(const BinaryOp& op) const {
    return is_floating(dtype) ||
           (number() && op.kind != Binary::kDivide && op.activation.kind == Unary::kLinear);
  }
  template <class Op>
  bool operator()(const Op&) const {
    return is_floating(dtype);
  }
};

/// Operations that take inputs of another dtype than their output's: indices, generator states, and
/// statistics, which are widened.
struct MayMix {
  bool operator()(const Cast&) const { return true; }
  bool operator()(const Gather&) const { return true; }
  bool operator()(const GatherGradient&) const { return true; }
  bool operator()(const Dropout&) const { return true; }
  bool operator()(const BatchNormStatistics&) const { return true; }
  bool operator()(const BatchNormTraining&) const { return true; }
  bool operator()(const BatchNormSums&) const { return true; }
  bool operator()(const BatchNormGradient&) const { return true; }
  bool operator()(const LayerNormSums&) const { return true; }
  template <class Op>
  bool operator()(const Op&) const {
    return false;
  }
};

}  // namespace

void require_supported(const OpSpec& spec) {
  const DType dtype = output_spec(spec).dtype;
  if (!std::visit(HasBody{dtype}, spec)) {
    throw UnsupportedError(describe(spec) + " is not defined for the dtype " +
                           std::string(dtype_name(dtype)) + ".");
  }
  if (std::visit(MayMix{}, spec)) return;
  for (const TensorSpec& input : input_specs(spec)) {
    if (input.dtype != dtype)
      throw UnsupportedError(describe(spec) + " mixes dtypes; a Cast is missing.");
  }
}

}  // namespace lamina::ops::reference
