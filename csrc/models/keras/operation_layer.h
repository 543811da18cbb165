#pragma once
#include <lamina/layer.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/keras/operation.h"

namespace lamina::models {

/// An operation of `keras.ops` in a graph: no layer to Keras, which casts nothing for it, and which
/// masks do not pass.
class OperationLayer : public Layer {
 public:
  OperationLayer(const OperationConfig& config, std::vector<Scalar> scalars)
      : Layer({config.name, {}, true}),
        class_name_(config.class_name),
        config_(config.config),
        scalars_(std::move(scalars)) {
    built_ = true;
  }

  [[nodiscard]] std::string class_name() const override { return class_name_; }
  /// As it was read.
  [[nodiscard]] const nlohmann::json& config() const noexcept { return config_; }
  [[nodiscard]] const std::vector<Scalar>& scalars() const noexcept { return scalars_; }
  /// It does not warn of masks, for no layer of Keras's is there to do so.
  [[nodiscard]] bool supports_masking() const final { return true; }

 protected:
  [[nodiscard]] bool autocast() const override { return false; }
  [[nodiscard]] layers::Masks compute_mask(graph::Builder&, const std::vector<graph::ValueId>&,
                                           const layers::Masks&) final {
    return {};
  }

 private:
  [[nodiscard]] bool traces_call() const final { return false; }

  std::string class_name_;
  nlohmann::json config_;
  std::vector<Scalar> scalars_;
};

/// What two operands broadcast to, as far as that is known. Throws ValueError naming the operation
/// where they do not.
[[nodiscard]] Shape broadcast_shapes(const Layer& operation, const Shape& a, const Shape& b);

/// One of those that masks are made with; null for another class, and for options that are not
/// supported.
[[nodiscard]] LayerPtr make_mask_operation(const OperationConfig& config, std::size_t tensors,
                                           const std::vector<Scalar>& scalars);

}  // namespace lamina::models
