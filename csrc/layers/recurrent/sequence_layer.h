#pragma once
#include "layers/library_layer.h"

namespace lamina::layers {

/// A layer with the arguments of Keras's RNN: a sequence, perhaps a list of initial states, and a
/// mask of the sequence's steps.
template <class Options>
class SequenceLayer : public LibraryLayer<Options> {
 public:
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"sequences", "initial_state"}, .ends_in_list = true, .tensors = {"mask"}};
  }
  [[nodiscard]] bool supports_masking() const override { return true; }

 protected:
  SequenceLayer(std::string class_name, Options options)
      : LibraryLayer<Options>(std::move(class_name), std::move(options)) {
    this->input_spec_.count = std::nullopt;  // states are inputs too
  }
};

}  // namespace lamina::layers
