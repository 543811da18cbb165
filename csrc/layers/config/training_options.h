#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lamina::layers {

/// A regularizer or a constraint that a layer's configuration asks for and that Lamina lacks.
struct TrainingOption {
  std::string option;  ///< "activity_regularizer"
  std::string value;   ///< its class and options: "OrthogonalRegularizer {\"mode\":\"rows\"}"
};

/// Those of a layer. Prediction does without them; whoever trains the layer has to ask.
class TrainingOptions {
 public:
  void lack(std::vector<TrainingOption> options) { lacked_ = std::move(options); }
  [[nodiscard]] const std::vector<TrainingOption>& lacked() const noexcept { return lacked_; }

 private:
  std::vector<TrainingOption> lacked_;
};

}  // namespace lamina::layers
