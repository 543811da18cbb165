#pragma once
#include <lamina/ops.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/builder.h"

// To add an operation: in the file of its family a class derived from Operation (its arguments,
// shape, dtype and lowering), a row that names it, and the function of <lamina/ops.h>.
namespace lamina::layers {

/// An operation and its only call, as Keras's configurations have them.
struct OperationForm {
  std::string class_name;
  std::string name;       ///< empty: made from the class name
  nlohmann::json config;  ///< the arguments that its class was made with
  nlohmann::json args;    ///< those of the call, by place, each tensor being a `tensor_argument`
  std::size_t tensors;    ///< how many of these there are
  nlohmann::json keywords =
      nlohmann::json::object();  ///< numbers and tensors that the call has by name
};

/// Stands for tensor number `index` of a call. Keras's objects there have a class.
[[nodiscard]] nlohmann::json tensor_argument(std::size_t index);
[[nodiscard]] bool is_tensor_argument(const nlohmann::json& argument);
/// The form with all keywords of its class, null for what the call has not: so Keras writes them.
[[nodiscard]] OperationForm with_keywords(OperationForm form,
                                          std::initializer_list<const char*> keywords);

/// An operation of `keras.ops` in a graph: no layer to Keras, which casts nothing for it, and which
/// masks do not pass. What it was called with beside tensors belongs to it, so each call has one of
/// its own.
class Operation : public Layer {
 public:
  using Ids = std::vector<graph::ValueId>;
  using Shapes = std::vector<Shape>;
  using DTypes = std::vector<DType>;

  [[nodiscard]] std::string class_name() const final { return form_.class_name; }
  [[nodiscard]] const OperationForm& form() const noexcept { return form_; }
  /// It does not warn of masks, for no layer of Keras's is there to do so.
  [[nodiscard]] bool supports_masking() const final { return true; }

  [[nodiscard]] Shapes compute_output_shape(const Shapes& inputs) final { return shapes(inputs); }
  [[nodiscard]] DTypes compute_output_dtype(const DTypes& inputs) final { return dtypes(inputs); }

 protected:
  enum class Operands : std::uint8_t {
    kTensor,  ///< one
    kTwo,     ///< tensors or numbers, one of them a tensor
    kList,    ///< one list of tensors
    kOthers   ///< which the class itself reads
  };
  /// `options`: those that the class has, and what its call has by name; others have to be null.
  /// Throws UnsupportedError naming the operation.
  Operation(OperationForm form, Operands operands, std::initializer_list<std::string_view> options);

  [[nodiscard]] virtual Shape shape(const Shapes& inputs) const = 0;
  /// Default: that of the first tensor.
  [[nodiscard]] virtual DType dtype(const DTypes& inputs) const { return inputs.at(0); }
  [[nodiscard]] virtual graph::ValueId lower(graph::Builder& builder, const Ids& x) const = 0;

  // Of operations that have several outputs (see SeveralOutputs); one dtype may stand for all.
  [[nodiscard]] virtual Shapes shapes(const Shapes& inputs) const { return {shape(inputs)}; }
  [[nodiscard]] virtual DTypes dtypes(const DTypes& inputs) const { return {dtype(inputs)}; }
  [[nodiscard]] virtual Ids lower_all(graph::Builder& builder, const Ids& x) const {
    return {lower(builder, x)};
  }

  // Options of the configuration; what lacks is taken for its default. Throw UnsupportedError for
  // what is none such.
  [[nodiscard]] const nlohmann::json& option(const char* key) const;
  [[nodiscard]] bool flag(const char* key) const;
  [[nodiscard]] double number(const char* key, double otherwise) const;
  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t otherwise) const;
  /// By its name; none where it is null.
  [[nodiscard]] std::optional<DType> dtype_option(const char* key) const;
  /// One or a list; none where it is null.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(const char* key) const;

  /// What an argument that may be None stands for, among the values of the call's tensors; or, of
  /// their shapes, its shape. Throws UnsupportedError for what is neither null nor a tensor.
  template <class T>
  [[nodiscard]] std::optional<T> given(const nlohmann::json& argument,
                                       const std::vector<T>& tensors) const {
    if (argument.is_null()) return std::nullopt;
    if (!is_tensor_argument(argument)) unsupported("what it is called with");
    return tensors.at(argument.at("tensor").template get<std::size_t>());
  }

  /// "Layer 'take' (Take): <what> is not supported."
  [[noreturn]] void unsupported(const std::string& what) const;
  /// `axis` of so many, or ValueError in Keras's words.
  [[nodiscard]] std::size_t axis_index(std::int64_t axis, std::size_t rank) const;
  /// Likewise several, sorted; none may be given twice.
  [[nodiscard]] std::vector<std::size_t> axis_indices(const std::vector<std::int64_t>& axes,
                                                      std::size_t rank) const;
  /// A size so many times; an unknown one stays so. Throws ValueError where that is too large.
  [[nodiscard]] std::int64_t times(std::int64_t size, std::int64_t count) const;
  /// What two operands broadcast to, as far as that is known. Throws ValueError where they do not.
  [[nodiscard]] Shape broadcast(const Shape& a, const Shape& b) const;
  /// What `shape` and `dtype` say of concrete values.
  [[nodiscard]] ops::TensorSpec result(const graph::Builder& builder, const Ids& x) const;

 private:
  void check_operands(Operands operands);
  [[nodiscard]] bool traces_call() const final { return false; }
  [[nodiscard]] bool autocast() const final { return false; }
  [[nodiscard]] Ids on_lower(graph::Builder& builder, const Ids& x) final;
  [[nodiscard]] Masks compute_mask(graph::Builder&, const Ids&, const Masks&) final { return {}; }

  OperationForm form_;
};

/// An operation on operands that broadcast.
class Broadcasting : public Operation {
 protected:
  explicit Broadcasting(OperationForm form, Operands operands = Operands::kTwo)
      : Operation(std::move(form), operands, {}) {}

  [[nodiscard]] Shape shape(const Shapes& x) const final {
    return x.size() == 1 ? x[0] : broadcast(x[0], x[1]);
  }
};

/// An operation that gives a list.
class SeveralOutputs : public Operation {
 public:
  using Operation::Operation;

 protected:
  [[nodiscard]] Shapes shapes(const Shapes& inputs) const override = 0;
  [[nodiscard]] Ids lower_all(graph::Builder& builder, const Ids& x) const override = 0;

 private:
  [[nodiscard]] Shape shape(const Shapes& inputs) const final { return shapes(inputs).at(0); }
  [[nodiscard]] graph::ValueId lower(graph::Builder& builder, const Ids& x) const final {
    return lower_all(builder, x).at(0);
  }
};

/// A class of operations.
struct OperationRow {
  std::string_view class_name;
  const char* module;  ///< Keras's
  std::function<LayerPtr(OperationForm)> make;
};
using OperationRows = std::vector<OperationRow>;

inline constexpr const char* kNumpyOps = "keras.src.ops.numpy";
inline constexpr const char* kNeuralOps = "keras.src.ops.nn";
inline constexpr const char* kMathOps = "keras.src.ops.math";
inline constexpr const char* kCoreOps = "keras.src.ops.core";
inline constexpr const char* kLinearAlgebraOps = "keras.src.ops.linalg";

/// A row of a class whose constructor takes the form and `arguments`.
template <class T, class... Arguments>
[[nodiscard]] OperationRow operation_row(std::string_view class_name, const char* module,
                                         Arguments... arguments) {
  return {class_name, module, [arguments...](OperationForm form) -> LayerPtr {
            return std::make_shared<T>(std::move(form), arguments...);
          }};
}

/// Calls an operation on `tensors`, in the order in which `args` has them. It is named as Keras
/// names it; in a layer's `call`, which Keras does not write down, without counting.
SymbolicTensor call_operation(std::string_view class_name, const SymbolicTensors& tensors,
                              nlohmann::json config, nlohmann::json args,
                              nlohmann::json keywords = nlohmann::json::object());
/// Of an operation that gives several.
SymbolicTensors call_for_list(std::string_view class_name, const SymbolicTensor& x,
                              nlohmann::json config);
/// The same on one tensor, and on a list.
SymbolicTensor call_operation(std::string_view class_name, const SymbolicTensor& x,
                              nlohmann::json config = nlohmann::json::object());
SymbolicTensor call_on_list(std::string_view class_name, const SymbolicTensors& xs,
                            nlohmann::json config = nlohmann::json::object());
/// On operands.
SymbolicTensor call_on_operands(std::string_view class_name,
                                std::initializer_list<ops::Operand> operands,
                                nlohmann::json config = nlohmann::json::object());

/// The argument that a tensor is, which goes behind `tensors`; an undefined one is None.
[[nodiscard]] nlohmann::json optional_argument(SymbolicTensors& tensors,
                                               const SymbolicTensor& tensor);
/// A dtype by its name.
[[nodiscard]] nlohmann::json dtype_to_config(const std::optional<DType>& dtype);
/// A number as it was written. Throws ValueError for a tensor.
[[nodiscard]] nlohmann::json number_to_config(const ops::Operand& operand);
/// One axis as a number, several as a list.
[[nodiscard]] nlohmann::json axes_to_config(const Axes& axes);
[[nodiscard]] nlohmann::json axes_to_config(const std::optional<Axes>& axes);

}  // namespace lamina::layers
