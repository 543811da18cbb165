#pragma once
#include <memory>
#include <vector>

#include "graph/program.h"
#include "ops/backend.h"

namespace lamina::graph {

/// A program made ready for one backend: passes applied, kernels made, memory placed. Running it
/// allocates nothing. One run at a time.
class Plan {
 public:
  /// Folds inference batch normalisation into the operation before it, fuses activations and residual
  /// additions where the backend has them, places values by liveness. Throws what the backend throws.
  static std::unique_ptr<Plan> compile(Program program, std::shared_ptr<ops::Backend> backend);
  virtual ~Plan() = default;

  /// Repacks the parameters whose variables changed since the last call. With `release`, each variable
  /// is released once nothing else needs to pack it.
  virtual void refresh(bool release = false) = 0;
  /// Runs once; `inputs` have the program's shapes and dtypes. Calls refresh() by itself.
  [[nodiscard]] virtual std::vector<Tensor> run(const std::vector<Tensor>& inputs) = 0;

  [[nodiscard]] virtual std::size_t arena_bytes() const = 0;
  [[nodiscard]] virtual std::size_t kernel_count() const = 0;
};

}  // namespace lamina::graph
