#pragma once
#include <lamina/model.h>

#include <cstdint>

namespace lamina::models {

/// What a model that begins to compute something else has for its version from then on: more than
/// any model had before.
[[nodiscard]] std::uint64_t next_graph_version() noexcept;

/// Notices when a model, or one of those within it, begins to compute something else.
class GraphWatch {
 public:
  /// Whether it has since the last call; true the first time. Looks through the model's layers only
  /// when some model has changed.
  [[nodiscard]] bool changed(const Model& model);

 private:
  std::uint64_t of_all_ = 0, of_model_ = 0;  // the newest versions at the last call
};

}  // namespace lamina::models
