#pragma once
#include <lamina/model.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace lamina {

class CheckpointManager;
struct CheckpointManagerOptions;

namespace storage {
class Storage;
}

namespace models {

/// What the library's own files reach of models, and nobody else.
class Access {
 public:
  /// The list that `layers` copies, of models that keep one: null of others.
  [[nodiscard]] static const std::vector<LayerPtr>* layer_list(const Model& model) noexcept {
    return model.layer_list();
  }
  /// The calls that `summary` shows; null when there are none yet.
  [[nodiscard]] static const Graph* graph(const Model& model) { return model.graph(); }
  /// The InputLayer that is none of `layers`: a Sequential's, if it has one.
  [[nodiscard]] static LayerPtr input_layer(const Model& model) { return model.input_layer(); }
  /// The dtype in which the model, which is built, takes data of dtype `given` for an input.
  [[nodiscard]] static DType input_dtype(const Model& model, std::size_t index, DType given) {
    return model.input_dtype(index, given);
  }
  /// What `compile` made; null before.
  [[nodiscard]] static const std::shared_ptr<TrainingParts>& training_parts(
      const Model& model) noexcept {
    return model.training_;
  }
  /// What the model remembers from save to save.
  [[nodiscard]] static PendingSaves& saves(const Model& model) noexcept { return *model.saves_; }
  /// Grows when the model begins to compute something else; those within it have their own
  /// (GraphWatch).
  [[nodiscard]] static std::uint64_t graph_version(const Model& model) noexcept {
    return model.graph_version_;
  }
  /// A manager of checkpoints on another storage than the machine's.
  [[nodiscard]] static CheckpointManager checkpoint_manager(CheckpointManagerOptions options,
                                                            storage::Storage& storage);
};

}  // namespace models
}  // namespace lamina
