#pragma once
#include <lamina/layer.h>

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace lamina::layers {

/// Grows with every node made, so that a layer's calls have an order.
inline std::uint64_t next_node_serial() noexcept {
  static std::atomic<std::uint64_t> serial{0};
  return serial++;
}

/// How a call gives what it gives.
struct CallForm {
  /// Of the last of its tensors, sorted; those of a list have one name.
  std::vector<std::string> keywords;
  std::set<std::string> flags;  ///< those that are true
};

/// One call of a layer: the edge set of the graph. Layers hold their nodes by weak pointers, so a
/// graph lives exactly as long as the tensors and models that refer to it.
struct Node {
  LayerPtr layer;
  /// All that the call is given: by places, then by names, which is the order in which Keras walks
  /// through them.
  SymbolicTensors inputs;
  CallForm form;
  std::vector<Shape> output_shapes;
  std::vector<DType> output_dtypes;
  /// Made while another layer's `call` was traced: the layer does not know it, for tracing may
  /// happen on any thread.
  bool traced = false;
  std::uint64_t serial = next_node_serial();
};

/// Whether a call gives what is to be fed: that of an InputLayer, which lacks its input. Variables'
/// values have none either, and need none.
[[nodiscard]] inline bool is_placeholder(const Node& node) {
  return node.inputs.empty() && node.layer->call_signature().required > 0;
}

}  // namespace lamina::layers
