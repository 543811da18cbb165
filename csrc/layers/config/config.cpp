#include "layers/config/config.h"

namespace lamina::layers {

void Config::weights(std::initializer_list<WeightOptions> all) {
  for (const WeightOptions& weight : all) {
    initializer(weight.name + "_initializer", weight.initializer);
  }
  for (const WeightOptions& weight : all) {
    regularizer(weight.name + "_regularizer", weight.regularizer);
  }
  for (const WeightOptions& weight : all) {
    constraint(weight.name + "_constraint", weight.constraint);
  }
}

}  // namespace lamina::layers
