#pragma once
#include <lamina/layer.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layers/node.h"
#include "ops/spec.h"

namespace lamina::layers {

struct Trace;

/// What the library's own files reach of layers and of the tensors between them, and nobody else.
class Access {
 public:
  /// The call that gives the tensor; null for an undefined one.
  [[nodiscard]] static const std::shared_ptr<Node>& node(const SymbolicTensor& tensor) noexcept {
    return tensor.node_;
  }
  /// Which output of that call it is.
  [[nodiscard]] static std::size_t index(const SymbolicTensor& tensor) noexcept {
    return tensor.index_;
  }
  /// A call, which the layer knows from now on, unless it is traced.
  [[nodiscard]] static std::shared_ptr<Node> make_node(const LayerPtr& layer,
                                                       SymbolicTensors inputs, CallForm form,
                                                       std::vector<Shape> output_shapes,
                                                       std::vector<DType> output_dtypes);
  /// The first of the layer's calls that something still holds; null when nothing does.
  [[nodiscard]] static std::shared_ptr<Node> first_node(const Layer& layer);
  /// Output `index` of a call.
  [[nodiscard]] static SymbolicTensor output(std::shared_ptr<Node> node, std::size_t index);
  /// All of them.
  [[nodiscard]] static SymbolicTensors outputs(const std::shared_ptr<Node>& node);

  /// Which of a call's tensors are what.
  struct Places {
    std::vector<std::size_t> inputs;             ///< in the order of the layer's signature
    std::map<std::string, std::size_t> tensors;  ///< the others, by name
  };
  /// Of a call that gives so many tensors. Throws ValueError naming the layer for a name that its
  /// signature lacks or that is given twice, and where an input is missing before another one.
  [[nodiscard]] static Places places(const Layer& layer, std::size_t count, const CallForm& form);
  /// What a call's outputs are, for all tensors that it is given; what its `call` or its
  /// `compute_output_shape` throws.
  [[nodiscard]] static std::vector<ops::TensorSpec> output_specs(
      Layer& layer, const std::vector<ops::TensorSpec>& given, const CallForm& form);
  /// The call as the layer takes it, floating tensors in its compute dtype (see Layer::autocast).
  [[nodiscard]] static CallSpecs call_specs(const Layer& layer,
                                            const std::vector<ops::TensorSpec>& given,
                                            const CallForm& form);
  /// Runs the layer's `call` on placeholders, which are the trace's inputs: of the call's inputs,
  /// its tensors by name and its masks, in this order. Throws ValueError naming the layer for an
  /// output that is undefined, and what `call` throws.
  [[nodiscard]] static Trace trace_call(Layer& layer, const CallSpecs& call);
  /// The same for the call that the layer is being built for, or one on such inputs alone.
  [[nodiscard]] static Trace trace_build(Layer& layer, const std::vector<Shape>& input_shapes);

  /// What Keras notes down of masks when a graph is made, beside those that values carry when it
  /// runs: a call's argument `mask` is that of then (see `lower_graph`).
  struct NotedMasks {
    Masks inputs;   ///< of each tensor that the call is given
    bool argument;  ///< whether the call keeps it as its argument
    Masks outputs;  ///< set by `lower`
  };
  /// Writes the layer's operations for concrete tensors of a call, floating ones cast to the
  /// compute dtype first (see Layer::autocast), and gives the outputs their masks: Keras's
  /// `Layer.__call__`. Unless it is `penalized`, the layer's own activity regularizer adds nothing,
  /// as where Keras uses `Layer.call`.
  [[nodiscard]] static std::vector<graph::ValueId> lower(Layer& layer, graph::Builder& builder,
                                                         const std::vector<graph::ValueId>& tensors,
                                                         const CallForm& form = {},
                                                         NotedMasks* noted = nullptr,
                                                         bool penalized = true);

  /// Lowers what the layer's `call` gives.
  [[nodiscard]] static std::vector<graph::ValueId> lower_traced(
      Layer& layer, graph::Builder& builder, const std::vector<graph::ValueId>& inputs,
      const CallValues& given);

  /// The input shapes that the layer was built with; none when it is not, and of layers that need
  /// no building.
  [[nodiscard]] static const std::vector<Shape>& build_shapes(const Layer& layer) noexcept {
    return layer.build_shapes_;
  }
  /// Whether floating inputs are cast.
  [[nodiscard]] static bool autocasts(const Layer& layer) { return layer.autocast(); }
  /// Whether the layer is called on a list of any number of tensors.
  [[nodiscard]] static bool takes_list(const Layer& layer) noexcept {
    return !layer.input_spec_.count;
  }

  /// Makes another layer's variable one of the layer's own as well, as Keras does where a layer
  /// holds it as an attribute: files have it in both places.
  static void share_weight(Layer& layer, VariablePtr variable) {
    (variable->trainable() ? layer.trainable_variables_ : layer.non_trainable_variables_)
        .push_back(std::move(variable));
  }
  /// How many Layer::own_variables there are. They are made once, and never change places.
  [[nodiscard]] static std::size_t own_variable_count(const Layer& layer) noexcept {
    return layer.trainable_variables_.size() + layer.non_trainable_variables_.size();
  }
  /// The `i`-th of these, without a copy of the list.
  [[nodiscard]] static const VariablePtr& own_variable(const Layer& layer, std::size_t i) noexcept {
    const std::size_t trainable = layer.trainable_variables_.size();
    return i < trainable ? layer.trainable_variables_[i]
                         : layer.non_trainable_variables_[i - trainable];
  }

 private:
  /// Without tensors, which are yet to be made.
  [[nodiscard]] static CallContext context_of(const Layer& layer, const CallSpecs& call);
  /// Lowers the masks that the layer's `compute_mask` gives placeholders.
  [[nodiscard]] static Masks traced_masks(Layer& layer, graph::Builder& builder,
                                          const std::vector<graph::ValueId>& inputs,
                                          const Masks& previous);
};

}  // namespace lamina::layers
