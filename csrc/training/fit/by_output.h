#pragma once
#include <lamina/training.h>

#include <string>
#include <vector>

namespace lamina::training {

// What `compile` was given, for each of the outputs in their order: of Keras's lists, and of its
// dictionaries. `outputs` are their names. Throw ValueError, in Keras's words, for what does not
// suit them.

/// `model` is named in messages.
[[nodiscard]] std::vector<LossPtr> losses_by_output(const LossArgument& given,
                                                    const std::vector<std::string>& outputs,
                                                    const std::string& model);
/// `losses`: what the weights are of.
[[nodiscard]] std::vector<double> weights_by_output(const LossWeights& given,
                                                    const LossArgument& losses,
                                                    const std::vector<std::string>& outputs);
/// `argument` is what they were given as: "metrics" or "weighted_metrics".
[[nodiscard]] std::vector<MetricArgument> metrics_by_output(
    const std::vector<MetricArgument>& given, const std::vector<std::string>& outputs,
    const char* argument);

}  // namespace lamina::training
