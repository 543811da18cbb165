#pragma once
#include <memory>
#include <mutex>

#include "core/per_process_member.h"
#include "models/weights/keras_paths.h"
#include "models/weights/structure.h"

namespace lamina::models {

/// The names under which a model was saved last. To name twenty thousand variables takes some ten
/// milliseconds, which a save in the background does not have; to see that the model is still the
/// same takes less than one. Safe for use by several threads; a child that was forked names anew.
class KeptNames {
 public:
  /// All names, the state of a running `fit` included; made again when the model's objects or their
  /// order have changed.
  [[nodiscard]] std::shared_ptr<const NamedWeights> get(const Model& model);
  /// Lets go of the names, and of the variables that nobody else holds.
  void forget();

 private:
  struct Kept {
    std::mutex mutex;
    Structure structure;  // of the model when it was named
    std::shared_ptr<const NamedWeights> names;
  };
  core::PerProcessMember<Kept> kept_;
};

}  // namespace lamina::models
