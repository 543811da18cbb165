#pragma once
#include <lamina/model.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lamina::models {

/// All of a model that its names depend on: which objects there are, what each holds, in which
/// order, and under which attributes. Objects stand for what they never change.
class Structure {
 public:
  Structure() = default;
  explicit Structure(const Model& model);

  /// Whether the model is still like that. Reads some words of each layer and makes nothing.
  [[nodiscard]] bool is_of(const Model& model) const;

 private:
  friend class StructureWriter;
  friend class StructureReader;

  std::vector<std::uintptr_t> words_;
  std::string attribute_names_;
  // All but the root, in the order of the walk. Alive, so that no other layer has their addresses.
  std::vector<LayerPtr> layers_;
};

}  // namespace lamina::models
