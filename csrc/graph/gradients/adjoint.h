#pragma once
#include <optional>
#include <vector>

#include "graph/builder.h"
#include "graph/program.h"

namespace lamina::graph {

/// One operation of a program while its gradient is written: what the rule reads, and where it puts
/// what it finds. Gradients given to one place several times are added.
class Adjoint {
 public:
  /// By value: whether it depends on something that a gradient is wanted for, and its gradient.
  struct Values {
    std::vector<bool> reached;
    std::vector<std::optional<ValueId>> gradients;
  };

  /// Gradients with respect to the operation's parameters go to `params`.
  Adjoint(Builder& builder, const Op& op, ValueId dy, Values& values,
          std::vector<std::optional<ValueId>>& params, std::vector<bool> wanted_params)
      : builder(builder),
        dy(dy),
        op_(op),
        values_(values),
        params_(params),
        wanted_params_(std::move(wanted_params)) {}

  Builder& builder;
  ValueId dy;  ///< the gradient with respect to the output

  [[nodiscard]] ValueId input(std::size_t i) const { return op_.inputs[i]; }
  [[nodiscard]] ValueId output() const { return op_.output; }
  [[nodiscard]] const Param& param(std::size_t i) const { return op_.params[i]; }
  [[nodiscard]] const std::vector<Param>& params() const { return op_.params; }

  /// Whether anybody asks for the gradient with respect to this input, this parameter.
  [[nodiscard]] bool wants_input(std::size_t i) const { return values_.reached[op_.inputs[i]]; }
  [[nodiscard]] bool wants_param(std::size_t i) const { return wanted_params_[i]; }
  void give_input(std::size_t i, ValueId gradient);
  void give_param(std::size_t i, ValueId gradient);

  /// Turns dy into the gradient with respect to what the fused activation received. Throws
  /// UnsupportedError when the output does not tell.
  void through_activation(const ops::Activation& activation);
  /// x summed over what broadcasting `shape` to x's shape repeated.
  [[nodiscard]] ValueId sum_to(ValueId x, const Shape& shape);
  /// Throws UnsupportedError: "... has no gradient ..." with `why`.
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  void add(std::optional<ValueId>& sum, ValueId gradient);

  const Op& op_;
  Values& values_;
  std::vector<std::optional<ValueId>>& params_;
  std::vector<bool> wanted_params_;
};

}  // namespace lamina::graph
