#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "models/keras_paths.h"

namespace lamina::models {

/// The names under which a model was saved last. To name twenty thousand variables takes some ten
/// milliseconds, which a save in the background does not have; to see that the model is still the
/// same takes few. Safe for use by several threads.
class KeptNames {
 public:
  /// All names, the state of a running `fit` included; made again when the model's objects or their
  /// order have changed.
  [[nodiscard]] std::shared_ptr<const NamedWeights> get(const Model& model);

 private:
  std::mutex mutex_;
  std::string structure_;
  // Alive, so that no other layer has their addresses.
  std::vector<LayerPtr> layers_;
  std::shared_ptr<const NamedWeights> names_;
};

}  // namespace lamina::models
