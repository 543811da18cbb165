#pragma once
#include <lamina/layers.h>

#include <cstring>
#include <utility>
#include <variant>
#include <vector>

namespace lamina::layers {

/// What a recurrent layer's weights belong to. It is not applied by itself: the layer that holds it
/// writes its steps.
template <class Options>
class RecurrentCell final : public Layer {
 public:
  struct Form {
    std::string class_name, name;
    std::int64_t gates;  ///< how many parts the kernels have
    bool two_biases;     ///< of either kernel one: rows of one variable
  };
  RecurrentCell(Form form, const Options& options, const std::string& policy)
      : Layer({form.name, policy, options.trainable}), form_(std::move(form)), options_(options) {}

  [[nodiscard]] std::string class_name() const override { return form_.class_name; }
  /// What the layer that has the cell holds too: the layers that its activations are.
  void hold(const std::vector<Attribute>& shared) {
    for (const Attribute& each : shared) track(each.name, std::get<LayerPtr>(each.value));
  }

  [[nodiscard]] const VariablePtr& kernel() const noexcept { return kernel_; }
  [[nodiscard]] const VariablePtr& recurrent_kernel() const noexcept { return recurrent_kernel_; }
  /// Null without `use_bias`.
  [[nodiscard]] const VariablePtr& bias() const noexcept { return bias_; }

 protected:
  /// Of the shape of one step's input.
  void on_build(const std::vector<Shape>& inputs) override {
    const std::int64_t units = options_.units, columns = form_.gates * units;
    kernel_ = add_weight("kernel", {inputs.at(0)[-1], columns}, options_.kernel_initializer.bind(),
                         {options_.kernel_regularizer, options_.kernel_constraint});
    recurrent_kernel_ =
        add_weight("recurrent_kernel", {units, columns}, options_.recurrent_initializer.bind(),
                   {options_.recurrent_regularizer, options_.recurrent_constraint});
    if (!options_.use_bias) return;
    const Shape bias = form_.two_biases ? Shape{2, columns} : Shape{columns};
    bias_ = add_weight("bias", bias, bias_initializer(),
                       {options_.bias_regularizer, options_.bias_constraint});
  }

 private:
  [[nodiscard]] Variable::Initializer bias_initializer() const {
    const Variable::Initializer plain = options_.bias_initializer.bind();
    if constexpr (requires { options_.unit_forget_bias; }) {
      if (options_.unit_forget_bias) return with_forget_bias(plain, options_.units);
    }
    return plain;
  }
  /// Ones for the second gate.
  [[nodiscard]] static Variable::Initializer with_forget_bias(Variable::Initializer plain,
                                                              std::int64_t units) {
    return [plain = std::move(plain), units](const Shape& shape, DType dtype) {
      const Variable::Initializer ones = Initializer("ones").bind();
      Tensor whole = Tensor::empty(shape, dtype);
      std::byte* to = whole.bytes().data();
      for (const Tensor& part :
           {plain({units}, dtype), ones({units}, dtype), plain({2 * units}, dtype)}) {
        std::memcpy(to, part.bytes().data(), part.nbytes());
        to += part.nbytes();
      }
      return whole;
    };
  }

  Form form_;
  const Options options_;
  VariablePtr kernel_, recurrent_kernel_, bias_;
};

}  // namespace lamina::layers
