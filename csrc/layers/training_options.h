#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lamina::layers {

/// Something that a layer's configuration asks of training: a regularizer or a constraint.
struct TrainingOption {
  std::string option;  ///< "kernel_regularizer"
  std::string value;   ///< its class: "L2"
};

/// What of that Lamina lacks. Prediction does without it; whoever trains the layer has to ask.
class TrainingOptions {
 public:
  void lack(std::vector<TrainingOption> options) { lacked_ = std::move(options); }
  [[nodiscard]] const std::vector<TrainingOption>& lacked() const noexcept { return lacked_; }

 private:
  std::vector<TrainingOption> lacked_;
};

}  // namespace lamina::layers
