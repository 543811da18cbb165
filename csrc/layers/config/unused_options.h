#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace lamina::layers {

/// A regularizer or a constraint that a layer's configuration asks for and that Lamina lacks.
struct TrainingOption {
  std::string option;  ///< "activity_regularizer"
  std::string value;   ///< its class and options: "OrthogonalRegularizer {\"mode\":\"rows\"}"
};

/// What a layer's configuration says and Lamina does not use, to be written again.
class UnusedOptions {
 public:
  void keep(nlohmann::json unused, std::vector<TrainingOption> lacked) {
    unused_ = std::move(unused);
    lacked_ = std::move(lacked);
  }
  /// As they stand in the configuration; null when there are none.
  [[nodiscard]] const nlohmann::json& unused() const noexcept { return unused_; }
  /// Those of them that prediction does without; whoever trains the layer has to ask.
  [[nodiscard]] const std::vector<TrainingOption>& lacked() const noexcept { return lacked_; }

 private:
  nlohmann::json unused_;
  std::vector<TrainingOption> lacked_;
};

}  // namespace lamina::layers
