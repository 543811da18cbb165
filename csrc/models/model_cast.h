#pragma once
#include <lamina/model.h>

#include <typeinfo>

namespace lamina::models {

/// `dynamic_cast` to Model of one layer after the other. Most are of few classes and no models, and
/// a cast that fails looks through all bases.
class ModelCast {
 public:
  [[nodiscard]] const Model* operator()(const Layer& layer) {
    const std::type_info& type = typeid(layer);
    if (&type == no_model_) return nullptr;
    const auto* model = dynamic_cast<const Model*>(&layer);
    if (model == nullptr) no_model_ = &type;
    return model;
  }

 private:
  const std::type_info* no_model_ = nullptr;
};

}  // namespace lamina::models
