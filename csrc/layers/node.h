#pragma once
#include <lamina/layer.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace lamina::layers {

/// Grows with every node made, so that a layer's calls have an order.
inline std::uint64_t next_node_serial() noexcept {
  static std::atomic<std::uint64_t> serial{0};
  return serial++;
}

/// One call of a layer: the edge set of the graph. Layers hold their nodes by weak pointers, so a
/// graph lives exactly as long as the tensors and models that refer to it.
struct Node {
  LayerPtr layer;
  SymbolicTensors inputs;
  std::vector<Shape> output_shapes;
  std::vector<DType> output_dtypes;
  /// Made while another layer's `call` was traced: the layer does not know it, for tracing may
  /// happen on any thread.
  bool traced = false;
  std::uint64_t serial = next_node_serial();
};

}  // namespace lamina::layers
