#pragma once
#include <lamina/layer.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "layers/node.h"

namespace lamina::layers {

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
                                                       SymbolicTensors inputs,
                                                       std::vector<Shape> output_shapes,
                                                       std::vector<DType> output_dtypes);
  /// The first of the layer's calls that something still holds; null when nothing does.
  [[nodiscard]] static std::shared_ptr<Node> first_node(const Layer& layer);
  /// Output `index` of a call.
  [[nodiscard]] static SymbolicTensor output(std::shared_ptr<Node> node, std::size_t index);
  /// All of them.
  [[nodiscard]] static SymbolicTensors outputs(const std::shared_ptr<Node>& node);

  /// Writes the layer's operations for concrete inputs, floating inputs cast to the compute dtype
  /// first (see Layer::autocast).
  [[nodiscard]] static std::vector<graph::ValueId> lower(Layer& layer, graph::Builder& builder,
                                                         const std::vector<graph::ValueId>& inputs);

  /// The input shapes that the layer was built with; none when it is not, and of layers that need
  /// no building.
  [[nodiscard]] static const std::vector<Shape>& build_shapes(const Layer& layer) noexcept {
    return layer.build_shapes_;
  }
  /// Whether the layer is called on a list of any number of tensors.
  [[nodiscard]] static bool takes_list(const Layer& layer) noexcept {
    return !layer.input_spec_.count;
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
};

}  // namespace lamina::layers
