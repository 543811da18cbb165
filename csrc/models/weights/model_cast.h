#pragma once
#include <lamina/model.h>

#include <algorithm>
#include <array>
#include <typeinfo>

namespace lamina::models {

/// `dynamic_cast` to Model of one layer after the other. Most are of few classes and no models, and
/// a cast that fails looks through all bases.
class ModelCast {
 public:
  [[nodiscard]] const Model* operator()(const Layer& layer) {
    const std::type_info& type = typeid(layer);
    if (std::find(no_models_.begin(), no_models_.end(), &type) != no_models_.end()) return nullptr;
    const auto* model = dynamic_cast<const Model*>(&layer);
    if (model == nullptr) no_models_[next_++ % no_models_.size()] = &type;
    return model;
  }

 private:
  std::array<const std::type_info*, 8> no_models_{};
  std::size_t next_ = 0;
};

}  // namespace lamina::models
