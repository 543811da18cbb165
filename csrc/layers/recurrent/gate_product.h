#pragma once
#include <cstdint>
#include <optional>

#include "graph/builder.h"

namespace lamina::layers {

/// A kernel (features, gates * units) as (gates, features, units).
[[nodiscard]] graph::ValueId kernel_by_gate(graph::Builder& builder, graph::ValueId kernel,
                                            std::int64_t gates);
/// (gates, rows, features) times such a kernel, each gate by itself -> (rows, gates * units).
[[nodiscard]] graph::ValueId product_by_gate(graph::Builder& builder, graph::ValueId x,
                                             graph::ValueId kernel);

/// x (rows, features) -> (rows, gates * units): its product with a kernel, for all gates at once
/// or, where each gate has other elements of x dropped, gate by gate.
class GateProduct {
 public:
  /// `masks`: what each gate's x is multiplied by, (gates, rows, features).
  GateProduct(graph::Builder& builder, graph::ValueId kernel, std::int64_t gates,
              std::optional<graph::ValueId> masks);
  [[nodiscard]] graph::ValueId operator()(graph::ValueId x) const;

 private:
  graph::Builder& builder_;
  std::optional<graph::ValueId> masks_;
  graph::ValueId kernel_;  ///< with masks by gate
};

}  // namespace lamina::layers
