#pragma once
#include "layers/operations/operation.h"

namespace lamina::layers {

/// Of its first tensor, over the axes that its option `axis` names; over all where it is None.
class Reduction : public Operation {
 public:
  explicit Reduction(OperationForm form,
                     std::initializer_list<std::string_view> options = {"axis", "keepdims"},
                     Operands operands = Operands::kTensor);

 protected:
  using Axis = std::vector<std::size_t>;

  [[nodiscard]] Shape shape(const Shapes& x) const final;
  [[nodiscard]] Axis reduced_axes(std::size_t rank) const;
  [[nodiscard]] Axis kept_axes(std::size_t rank) const;
  [[nodiscard]] static Shape without(const Shape& x, const Axis& reduced, bool keepdims);
  /// x, whose dtype the result has.
  [[nodiscard]] graph::ValueId reduce(graph::Builder& builder, graph::ValueId x,
                                      ops::Reduce::Kind kind, bool keepdims) const;
  /// The mean of the squares of what is left without the mean, in a float as wide as float32 at
  /// least; `dtype` is that of the result.
  [[nodiscard]] graph::ValueId variance(graph::Builder& builder, graph::ValueId x,
                                        DType dtype) const;
  /// Of elements of the result's dtype: halves are multiplied until one is left.
  [[nodiscard]] graph::ValueId product(graph::Builder& builder, graph::ValueId x,
                                       const ops::TensorSpec& result) const;
  /// The greatest, or the least; of x's dtype.
  [[nodiscard]] graph::ValueId extreme(graph::Builder& builder, graph::ValueId x, bool least) const;
  /// x's dtype, or UnsupportedError where no backend has its extreme.
  [[nodiscard]] DType dtype_of_extreme(DType dtype, bool least) const;
  [[nodiscard]] bool keepdims() const noexcept { return keepdims_; }

 private:
  std::optional<std::vector<std::int64_t>> axes_;
  bool keepdims_;
};

/// Its options as Keras writes them.
[[nodiscard]] nlohmann::json reduction_config(const ops::ReducedAxes& axis, bool keepdims);

}  // namespace lamina::layers
