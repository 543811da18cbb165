#pragma once
#include <lamina/model.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "layers/node.h"

namespace lamina::models {

/// Writes Keras's `model.summary()`.
class Summary {
 public:
  explicit Summary(const Model& model);
  [[nodiscard]] std::string str() const;

 private:
  [[nodiscard]] bool is_chain() const;
  [[nodiscard]] std::string output_shape(const Layer& layer) const;
  [[nodiscard]] std::string connections(const Layer& layer) const;
  [[nodiscard]] std::string totals() const;

  using Calls = std::vector<const layers::Node*>;
  const Model& model_;
  const Graph* graph_;
  std::unordered_map<const Layer*, Calls> calls_;  // in the order in which they were made
};

}  // namespace lamina::models
