#pragma once
#include <lamina/layer.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "graph/builder.h"

namespace lamina::layers {

/// A graph between placeholders, recorded by running `call` once.
struct Trace {
  SymbolicTensors inputs, outputs;
};

/// What a layer is called with, shapes known in part or in full.
struct CallSpecs {
  std::vector<ops::TensorSpec> inputs = {};
  std::map<std::string, ops::TensorSpec> tensors = {};  ///< given by name
  std::map<std::size_t, ops::TensorSpec> masks = {};    ///< that inputs carry, by their places
  std::set<std::string> flags = {};
  bool training = false;
};

/// Of a layer that writes operations: what it gives depends on what its call is given by name.
class OutputsByCall {
 public:
  OutputsByCall() = default;
  OutputsByCall(const OutputsByCall&) = delete;
  OutputsByCall& operator=(const OutputsByCall&) = delete;
  virtual ~OutputsByCall() = default;
  /// Throws ValueError naming the layer when the inputs do not suit it.
  [[nodiscard]] virtual std::vector<ops::TensorSpec> output_specs(const CallSpecs& call) = 0;
};

/// Runs `call` on placeholders of these shapes (batch first) and dtypes. The placeholders' layers
/// take no automatic name, so tracing does not disturb the names of the user's inputs.
[[nodiscard]] Trace trace(const std::vector<Shape>& shapes, const std::vector<DType>& dtypes,
                          const std::function<SymbolicTensors(const SymbolicTensors&)>& call);

/// Whether the calls of a graph have kept the masks that they were made with. So it is of a
/// model's, as Keras has it: where a call has but one tensor, the mask that this had then is an
/// argument of the call (which stands in configurations), whatever has become of it when the model
/// runs. MultiHeadAttention, which has none as such an argument, takes away those of its inputs.
enum class MasksOfCalls : std::uint8_t { kKept, kNone };

/// Calls, each behind those whose outputs it needs.
using Calls = std::vector<std::shared_ptr<Node>>;

/// All calls that `outputs` come from, in the order in which they were made.
[[nodiscard]] Calls calls_as_made(const SymbolicTensors& outputs);

/// Lowers the nodes between `inputs` and `outputs`; `values` stand for the inputs. `first` of these
/// nodes are lowered in this order, which tells where one takes away a mask that others read; all
/// others when an output needs them. Throws ValueError naming the layer when an output depends on a
/// placeholder that is not an input.
[[nodiscard]] std::vector<graph::ValueId> lower_graph(graph::Builder& builder,
                                                      const SymbolicTensors& inputs,
                                                      const SymbolicTensors& outputs,
                                                      const std::vector<graph::ValueId>& values,
                                                      MasksOfCalls masks = MasksOfCalls::kNone,
                                                      const Calls& first = {});

}  // namespace lamina::layers
