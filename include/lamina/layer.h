#pragma once
#include <lamina/tensor.h>
#include <lamina/variable.h>
#include <lamina/weight_options.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lamina {

class Layer;
using LayerPtr = std::shared_ptr<Layer>;

namespace graph {
class Builder;
using ValueId = std::size_t;
}  // namespace graph

/// Keras's dtype policy: what a layer computes in and what it stores. "float32", "float64",
/// "float16", "bfloat16", "mixed_float16", "mixed_bfloat16" (compute in the narrow type, store
/// float32).
struct DTypePolicy {
  std::string name = "float32";
  DType compute = DType::kFloat32;
  DType variable = DType::kFloat32;
  /// Throws ValueError for a name that is no policy.
  static DTypePolicy from_name(std::string_view name);
};

namespace layers {
class Access;
struct CallSpecs;
struct CallValues;
struct Node;
/// The masks of some values, none for those without.
using Masks = std::vector<std::optional<graph::ValueId>>;
}  // namespace layers

/// A placeholder that flows through layers while a graph is built (Keras's KerasTensor).
class SymbolicTensor {
 public:
  /// An undefined tensor, which no layer takes.
  SymbolicTensor() = default;

  /// Batch first; kNone where a dimension is not known.
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] bool defined() const noexcept { return node_ != nullptr; }

 private:
  friend class layers::Access;
  SymbolicTensor(std::shared_ptr<layers::Node> node, std::size_t index, Shape shape, DType dtype)
      : node_(std::move(node)), index_(index), shape_(std::move(shape)), dtype_(dtype) {}

  std::shared_ptr<layers::Node> node_;
  std::size_t index_ = 0;
  Shape shape_;
  DType dtype_ = DType::kFloat32;
};

using SymbolicTensors = std::vector<SymbolicTensor>;

/// What a layer is given by name where it is called, as Keras's keyword arguments: tensors, lists
/// of them, and what is true or false. `layer(x, {{"mask", mask}})`. A tensor that is undefined is
/// Keras's None: as if it were not given.
using CallArguments = std::map<std::string, std::variant<bool, SymbolicTensor, SymbolicTensors>>;

/// What the arguments of a layer's `call` are named in Keras.
struct CallSignature {
  /// Those that it is called on, in order. One name stands for all that it is called on.
  std::vector<std::string> inputs = {"inputs"};
  /// How many of these have to be there.
  std::size_t required = 1;
  /// Whether the last of several names is that of a list: of all inputs from its place on.
  bool ends_in_list = false;
  /// How many tensors each list has where that list is one of lists in Keras; empty where it is
  /// none.
  std::vector<std::size_t> parts = {};
  /// Other tensors that may be given by name, in Keras's order.
  std::vector<std::string> tensors = {};
  /// What may be true.
  std::vector<std::string> flags = {};
  /// Those of them that are true in each call of this very layer.
  std::vector<std::string> always = {};
  /// Those of `tensors` that Keras takes as one list, its argument `mask`: the inputs' masks, in
  /// the order of the inputs.
  std::vector<std::string> mask_list = {};
};

/// What `Layer::call` is given beside its inputs: the arguments of Keras's `call` that have
/// defaults, `call(self, x, scale=None, causal=False, mask=None, training=False)`.
class CallContext {
 public:
  /// Of a call on inputs alone.
  CallContext() = default;

  /// The argument of this name; undefined, where Python has None, if the call was not given it. One
  /// that is a mask ("mask", "value_mask") is then the one that the tensor it is named for carries,
  /// once the model is lowered. Throws ValueError naming the layer when its `call_signature` has no
  /// such tensor.
  [[nodiscard]] const SymbolicTensor& tensor(const std::string& name) const;
  /// Whether the argument is true. Throws likewise.
  [[nodiscard]] bool flag(const std::string& name) const;
  /// The mask of an input: the argument `mask`, if the call has it, else what the input carries
  /// (see `Layer::supports_masking`); undefined where there is none. Shapes are found before masks
  /// are known but for those given by name: they must not depend on whether there is one, and what
  /// is only called with one has to be built in `on_build`.
  [[nodiscard]] SymbolicTensor mask(std::size_t input = 0) const;
  /// Whether the call is part of a step of training. Shapes and sublayers are those of one that is
  /// not.
  [[nodiscard]] bool training() const noexcept { return training_; }

 private:
  friend class layers::Access;
  std::string layer_ = "Layer";  ///< in words
  std::map<std::string, SymbolicTensor> tensors_;
  std::map<std::string, bool> flags_;
  SymbolicTensors masks_;
  bool training_ = false;
};

/// Something that a layer holds under an attribute name, as Keras's walk sees it: a layer, or a
/// list of such things (Keras's list, tuple or dict).
struct Attribute;
struct AttributeList {
  std::vector<Attribute> items;
};
struct Attribute {
  std::string name;  ///< empty inside a list
  std::variant<LayerPtr, std::shared_ptr<AttributeList>> value;
};

/// What a layer demands of its inputs (keras.InputSpec); checked each time that it is applied.
struct InputSpec {
  std::optional<std::size_t> count = 1;  ///< number of inputs; none: any
  std::optional<std::size_t> ndim = {};  ///< exact rank, batch included
  std::optional<std::size_t> min_ndim = {};
  std::map<std::int64_t, std::int64_t> axes =
      {};  ///< size that an axis must have, once it is known
};

/// A unit of a model: variables, sublayers and what they compute. Held by shared_ptr; applying one
/// layer several times shares its variables. Building graphs is for one thread at a time.
///
/// To write one, derive, and say what Keras's class says:
///
///   - in the constructor (`__init__`): make sublayers, and `track` each under the name of Keras's
///     attribute; one that is called on several inputs sets `input_spec_.count`;
///   - in `on_build` (`build`): make weights of its own with `add_weight`, whose order is that of
///     the class in Keras;
///   - in `call`: what it computes, said with other layers and with `weight`, the placeholders of
///     variables. Of the two forms override one, the second for a layer that reads masks, arguments
///     given by name or whether it is being trained;
///   - in `call_signature`: what those arguments are named;
///   - in `supports_masking`: whether it passes masks on; which, in `compute_mask`.
///
/// Shapes, dtypes, gradients and operations on any device follow by tracing `call` on placeholders:
/// when the layer is applied, and whenever a model is lowered for shapes it has not yet seen. So it
/// has to do the same each time, and assign to nothing; layers with weights are made outside of it.
/// Those that it makes without a dtype have the policy of its own layer.
class Layer : public std::enable_shared_from_this<Layer> {
 public:
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() = default;

  /// Keras's class name: "Conv2D". Paths in weights files are made from it.
  [[nodiscard]] virtual std::string class_name() const = 0;
  /// Unique unless given: "conv2d", "conv2d_1", ... Takes no part in paths.
  [[nodiscard]] const std::string& name() const;
  /// False: training leaves the layer's variables as they are, and those of all that it holds.
  [[nodiscard]] bool trainable() const noexcept { return trainable_; }
  /// Sets the flag here and on every tracked sublayer. The order of variables does not change.
  virtual void set_trainable(bool trainable);
  [[nodiscard]] const DTypePolicy& dtype_policy() const noexcept { return policy_; }
  /// What the outputs of each call of the layer add to the loss, divided by the number of samples
  /// in the batch; none unless set. To be set before the model is compiled. Throws UnsupportedError
  /// for an OrthogonalRegularizer.
  [[nodiscard]] const Regularizer& activity_regularizer() const noexcept {
    return activity_regularizer_;
  }
  void set_activity_regularizer(Regularizer regularizer);
  /// Whether its variables are there.
  [[nodiscard]] bool built() const noexcept { return built_; }
  /// "<Dense name=dense, built=True>", as Keras prints a layer.
  [[nodiscard]] std::string repr() const;

  /// Creates the variables for these input shapes (batch first); a second call does nothing.
  /// Throws ValueError naming the layer when a shape does not suit it.
  void build(const std::vector<Shape>& input_shapes);

  /// Applies the layer to placeholders: builds it if need be, and records the call.
  /// Throws ValueError naming the layer when the inputs do not suit it, and when it has several
  /// outputs.
  SymbolicTensor operator()(const SymbolicTensor& input, const CallArguments& arguments = {});
  /// `arguments`: what is given by name, inputs among it. Throws ValueError naming the layer for
  /// one that its call does not have (see `call_signature`).
  SymbolicTensor operator()(const SymbolicTensors& inputs, const CallArguments& arguments = {});
  /// The same for a layer with several outputs.
  SymbolicTensors apply(const SymbolicTensors& inputs, const CallArguments& arguments = {});
  /// What it can be given by name, which `call` finds in its context.
  [[nodiscard]] virtual CallSignature call_signature() const { return {}; }
  /// Whether what the layer gives has the mask of what it is given, or one that it makes (Keras's
  /// attribute of this name). A mask that reaches a layer that says false ends there, with a
  /// warning, the first time. Masks are made by `Embedding` and `Masking`, and carried along when a
  /// model is lowered, as Keras does when it runs: they are no tensors of the graph.
  [[nodiscard]] virtual bool supports_masking() const { return false; }
  /// The masks of the outputs, in terms of other layers, of a layer that supports masking and
  /// overrides `call`; none for outputs where they are undefined, and for those behind the last.
  /// `inputs`: as `call` has them; `previous`: the argument `mask` where the call has it, or else
  /// the masks of the first argument, one for each tensor of a list, undefined where there is none.
  /// What an output has from within `call` stays. Default: `previous`.
  [[nodiscard]] virtual SymbolicTensors compute_mask(const SymbolicTensors& inputs,
                                                     const SymbolicTensors& previous);
  /// What the layer was applied to, and what that gave: the first time, of the calls that a tensor
  /// or a model still holds. Empty when there is none; calls that another layer's `call` makes do
  /// not count. A model's are those of its own graph.
  [[nodiscard]] virtual SymbolicTensors inputs() const;
  [[nodiscard]] virtual SymbolicTensors outputs() const;
  /// The only one of `inputs()`, of `outputs()`: `Functional::create(model->input(),
  /// model->get_layer("features")->output())`. Throws ValueError naming the layer when there is
  /// none, or several.
  [[nodiscard]] SymbolicTensor input() const;
  [[nodiscard]] SymbolicTensor output() const;

  /// What the layer computes, said with other layers: outputs for placeholders, of which floating
  /// ones have the policy's compute dtype. Layers of the library write operations instead; for one
  /// that does neither this throws ValueError.
  [[nodiscard]] virtual SymbolicTensors call(const SymbolicTensors& inputs);
  /// The same for a layer that needs to know more of a call. Default: leaves it at the inputs.
  [[nodiscard]] virtual SymbolicTensors call(const SymbolicTensors& inputs,
                                             const CallContext& context);
  /// Output shapes for input shapes, unknown dimensions included. Default: traces `call` on inputs
  /// alone; a layer that overrides `call` need not override this, and is not asked when applied.
  [[nodiscard]] virtual std::vector<Shape> compute_output_shape(const std::vector<Shape>& inputs);
  /// Output dtypes, of a layer that does not override `call`; by default the policy's compute
  /// dtype. One element stands for every output.
  [[nodiscard]] virtual std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs);

  /// This layer's own variables: trainable first, then the others, each in creation order; that is
  /// the order of its datasets "0", "1", ... in Keras's files.
  [[nodiscard]] std::vector<VariablePtr> own_variables() const;
  /// Own variables and those of all sublayers, depth first, each once.
  [[nodiscard]] virtual std::vector<VariablePtr> variables() const;
  /// Of `variables()`, those that training changes: made trainable, by a layer whose `trainable` is
  /// true. None when this layer's is false.
  [[nodiscard]] std::vector<VariablePtr> trainable_variables() const;
  /// The others, in the order of `variables()`.
  [[nodiscard]] std::vector<VariablePtr> non_trainable_variables() const;
  /// The same by Keras's other names, which there leave out the state of metrics and seeds: no
  /// layer of Lamina's has any.
  [[nodiscard]] std::vector<VariablePtr> weights() const { return variables(); }
  [[nodiscard]] std::vector<VariablePtr> trainable_weights() const { return trainable_variables(); }
  [[nodiscard]] std::vector<VariablePtr> non_trainable_weights() const {
    return non_trainable_variables();
  }
  /// Copies, on the host, of the values of `weights()`, made by their initialisers if need be; none
  /// of a layer that is not built. Throws ValueError for a released variable, what an initialiser
  /// throws, DeviceError, OutOfMemoryError.
  [[nodiscard]] std::vector<Tensor> get_weights() const;
  /// Copies `values` into `weights()`, cast to their dtypes, wherever either are. All of them or,
  /// when it throws, none. Throws ValueError naming the layer for another number of values and for
  /// a shape that differs, DeviceError, OutOfMemoryError.
  void set_weights(const std::vector<Tensor>& values);
  /// Elements of all variables. Throws ValueError when the layer is not built.
  [[nodiscard]] std::int64_t count_params() const;
  /// Sublayers and lists of them under their attribute names, in assignment order.
  [[nodiscard]] const std::vector<Attribute>& attributes() const noexcept { return attributes_; }

  /// The layers that this one holds, each once: those under attribute names, lists flattened.
  [[nodiscard]] virtual std::vector<LayerPtr> sublayers() const;

 protected:
  struct Base {
    std::string name;   ///< empty: made from the class name
    std::string dtype;  ///< policy name; empty: the global policy
    bool trainable = true;
  };
  explicit Layer(Base base);

  /// Creates the variables. `input_shapes` as given to `build()`. Sublayers that are not built then
  /// are built by tracing `call`, so that a layer without weights of its own has nothing to do
  /// here.
  virtual void on_build(const std::vector<Shape>& input_shapes);
  /// Creates a variable with the path "<layer>/<name>"; where an exception leaves `build`, it is
  /// forgotten. Throws ValueError naming the layer when the shape is not fully known, and for what
  /// Initializer throws it; ValueError for a dtype that is none.
  VariablePtr add_weight(WeightOptions options);
  /// Creates a variable with the path "<layer>/<name>" of the policy's variable dtype (or `dtype`);
  /// an Initializer's function is its `bind()`. Throws ValueError when the shape is not fully
  /// known.
  VariablePtr add_weight(std::string name, Shape shape, Variable::Initializer initializer,
                         bool trainable = true);
  VariablePtr add_weight(std::string name, Shape shape, Variable::Initializer initializer,
                         bool trainable, DType dtype);
  /// What training does to a weight beside its gradient.
  struct WeightRules {
    Regularizer regularizer = {};
    Constraint constraint = {};
  };
  /// A trainable one with such rules.
  VariablePtr add_weight(std::string name, Shape shape, Variable::Initializer initializer,
                         WeightRules rules);
  /// A placeholder for the value of a variable, for `call`: one of the layer's own, or another
  /// one's, with which it is then shared. It has no axis for the batch: its shape is the
  /// variable's (merging layers take {1, ...}). As Keras's autocast has it, a floating one has the
  /// compute dtype where the policy is a mixed one, any other its own; gradients are cast back.
  /// Integers are exact up to 2^53. Throws ValueError naming the layer for a variable that is null.
  [[nodiscard]] SymbolicTensor weight(const VariablePtr& variable) const;
  /// Registers a sublayer (or a list) under the attribute's name and returns it. Throws ValueError
  /// for a sublayer that is null.
  LayerPtr track(std::string attribute, LayerPtr layer);
  void track(std::string attribute, AttributeList list);

  /// Writes the operations of a call, with what the call was given by name, and the masks that are
  /// arguments of it: of a layer whose `call_signature` has such. Default: traces `call` on
  /// placeholders of these shapes and lowers that; of a layer that does not, what writes them for
  /// inputs alone.
  [[nodiscard]] virtual std::vector<graph::ValueId> on_lower_call(
      graph::Builder& builder, const std::vector<graph::ValueId>& inputs,
      const layers::CallValues& call);

  /// Throws ValueError: "Layer 'conv' (Conv2D): <what>".
  [[noreturn]] void fail(const std::string& what) const;

  bool built_ = false;
  InputSpec input_spec_;

 private:
  friend class layers::Access;
  /// Whether `call` says what the layer computes. False of those of the library that write
  /// operations: they say their shapes and dtypes themselves.
  [[nodiscard]] virtual bool traces_call() const { return true; }
  /// What is left to do of a build once the variables are there. Default: builds the sublayers.
  virtual void finish_build(const std::vector<Shape>& input_shapes);
  /// Writes the operations, of a layer whose `call` is not traced.
  [[nodiscard]] virtual std::vector<graph::ValueId> on_lower(
      graph::Builder& builder, const std::vector<graph::ValueId>& inputs);
  /// As the other one, of a layer whose `call` is not traced.
  [[nodiscard]] virtual layers::Masks compute_mask(graph::Builder& builder,
                                                   const std::vector<graph::ValueId>& inputs,
                                                   const layers::Masks& previous);
  /// True when floating inputs are cast to the compute dtype before `on_lower` (Keras's autocast).
  [[nodiscard]] virtual bool autocast() const { return true; }
  void check_inputs(const std::vector<Shape>& shapes) const;

  mutable std::string name_;
  DTypePolicy policy_;
  Regularizer activity_regularizer_;
  bool trainable_;
  std::vector<VariablePtr> trainable_variables_, non_trainable_variables_;
  std::vector<Attribute> attributes_;
  std::vector<Shape> build_shapes_;
  const layers::CallSpecs* building_call_ = nullptr;  ///< while the layer is built for a call of it
  std::vector<std::weak_ptr<layers::Node>> calls_;
  std::atomic<bool> dropped_mask_ = false;  ///< and has warned of it
};

/// A layer in the hand: callable, copyable, converts to LayerPtr.
class LayerRef {
 public:
  /// Names the layer, so that automatic names follow the order in which layers are made. Throws
  /// ValueError for null.
  LayerRef(LayerPtr layer);  // NOLINT: implicit on purpose
  template <class Derived>
  requires std::is_base_of_v<Layer, Derived> LayerRef(std::shared_ptr<Derived> layer)
      : LayerRef(LayerPtr(std::move(layer))) {}  // NOLINT
  /// The InputLayer of what `layers::Input` gave, so that a Sequential model may begin with it.
  /// Throws ValueError for any other tensor.
  LayerRef(const SymbolicTensor& placeholder);  // NOLINT
  SymbolicTensor operator()(const SymbolicTensor& input,
                            const CallArguments& arguments = {}) const {
    return (*layer_)(input, arguments);
  }
  SymbolicTensor operator()(const SymbolicTensors& inputs,
                            const CallArguments& arguments = {}) const {
    return (*layer_)(inputs, arguments);
  }
  Layer* operator->() const noexcept { return layer_.get(); }
  Layer& operator*() const noexcept { return *layer_; }
  operator LayerPtr() const noexcept { return layer_; }  // NOLINT

 private:
  LayerPtr layer_;
};

/// Forgets all automatic names, so that the next Dense is "dense" again
/// (keras.utils.clear_session).
void clear_session();
/// Sets the policy that layers without a dtype take (keras.config.set_dtype_policy). Default
/// "float32". Throws ValueError for a name that is no policy. Safe to use from several threads.
void set_dtype_policy(std::string_view name);
/// Seeds initialisers and everything random that is not given a seed (keras.utils.set_random_seed).
void set_random_seed(std::uint64_t seed);

}  // namespace lamina
