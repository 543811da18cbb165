#pragma once
#include <lamina/model.h>

#include <cstdint>

namespace lamina::models {

/// Notices when a model, or what it holds, begins to compute something else.
class GraphWatch {
 public:
  /// Whether it has since the last call; true the first time. Looks through the model's layers only
  /// when something has changed.
  [[nodiscard]] bool changed(const Model& model);

 private:
  std::uint64_t of_all_ = 0, of_model_ = 0;  // the newest versions at the last call
};

}  // namespace lamina::models
