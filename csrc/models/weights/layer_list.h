#pragma once
#include <lamina/model.h>

#include <vector>

#include "models/weights/access.h"

namespace lamina::models {

/// `model.layers()`, copied only where the model keeps no such list.
class LayerList {
 public:
  explicit LayerList(const Model& model) : kept_(Access::layer_list(model)) {
    if (kept_ == nullptr) made_ = model.layers();
  }
  [[nodiscard]] const std::vector<LayerPtr>& get() const noexcept {
    return kept_ != nullptr ? *kept_ : made_;
  }

 private:
  const std::vector<LayerPtr>* kept_;
  std::vector<LayerPtr> made_;
};

}  // namespace lamina::models
