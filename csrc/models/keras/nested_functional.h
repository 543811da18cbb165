#pragma once
#include <lamina/model.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lamina::models {

/// A Functional from a configuration whose inputs or outputs are nested: in lists, or under names.
/// Lamina has them in one list; what they were in is kept to be written again.
class NestedFunctional final : public Functional {
 public:
  /// As they stand in the configuration, each tensor being its place in the list.
  struct Nesting {
    nlohmann::json inputs, outputs;
  };
  NestedFunctional(SymbolicTensors inputs, SymbolicTensors outputs, Options options,
                   Nesting nesting)
      : Functional(std::move(inputs), std::move(outputs), std::move(options)),
        nesting_(std::move(nesting)) {}

  [[nodiscard]] const Nesting& nesting() const noexcept { return nesting_; }

 private:
  Nesting nesting_;
};

/// Whether these are tensors under names, and nothing deeper.
[[nodiscard]] bool is_dictionary(const nlohmann::json& nesting);

/// What Keras calls the model's outputs in `compile`: the keys of the dict that they are in, else
/// the layers that they come from.
[[nodiscard]] std::vector<std::string> output_names(const Model& model);

}  // namespace lamina::models
