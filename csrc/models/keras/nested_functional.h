#pragma once
#include <lamina/model.h>

#include <nlohmann/json.hpp>

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

}  // namespace lamina::models
