#pragma once
#include <lamina/tensor.h>

#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

namespace lamina {

/// What losses and weighted metrics count each sample, or each row, for: one array for all outputs
/// of a model, or {a, b} one for each in their order, where an undefined one leaves its output as
/// it is. An array has one weight a sample, (samples), or one a row, of the predictions' shape
/// without its last axis (or with 1 there). `{}`: all 1.
struct SampleWeights {
  SampleWeights() = default;
  SampleWeights(Tensor of_all) {  // NOLINT: implicit
    if (of_all.defined()) arrays.push_back(std::move(of_all));
  }
  SampleWeights(std::vector<Tensor> of_each)  // NOLINT: implicit
      : arrays(std::move(of_each)), by_output(true) {}
  SampleWeights(std::initializer_list<Tensor> of_each) : arrays(of_each), by_output(true) {}

  [[nodiscard]] bool defined() const noexcept { return by_output || !arrays.empty(); }
  /// Those of an output, undefined where it has none. Throws std::out_of_range for one
  /// that there is no array of.
  [[nodiscard]] Tensor of(std::size_t output) const {
    if (by_output) return arrays.at(output);
    return arrays.empty() ? Tensor() : arrays.front();
  }

  std::vector<Tensor> arrays;
  bool by_output = false;  ///< an array for each output; else one at most, of all of them
};

}  // namespace lamina
