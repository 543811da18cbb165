#pragma once
#include <memory>
#include <mutex>

#include "models/weights/keras_paths.h"
#include "models/weights/structure.h"

namespace lamina::models {

/// The names under which a model was saved last. To name twenty thousand variables takes some ten
/// milliseconds, which a save in the background does not have; to see that the model is still the
/// same takes less than one. Safe for use by several threads.
class KeptNames {
 public:
  /// All names, the state of a running `fit` included; made again when the model's objects or their
  /// order have changed.
  [[nodiscard]] std::shared_ptr<const NamedWeights> get(const Model& model);
  /// Lets go of the names, and of the variables that nobody else holds.
  void forget();

 private:
  std::mutex mutex_;
  Structure structure_;  // of the model when it was named
  std::shared_ptr<const NamedWeights> names_;
};

}  // namespace lamina::models
