#include "layers/einsum_equation.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <cctype>
#include <string_view>

namespace lamina::layers {
namespace {

constexpr std::string_view kEllipsis = "...";

/// The letters of one operand, and where it has an ellipsis.
struct Operand {
  std::string letters;
  bool front = false, back = false;

  explicit Operand(std::string_view text) {
    front = text.starts_with(kEllipsis);
    if (front) text.remove_prefix(kEllipsis.size());
    back = text.ends_with(kEllipsis);
    if (back) text.remove_suffix(kEllipsis.size());
    letters = text;
  }
  [[nodiscard]] bool is_letters() const {
    return !letters.empty() && std::all_of(letters.begin(), letters.end(),
                                           [](unsigned char c) { return std::isalpha(c) != 0; });
  }
  [[nodiscard]] bool repeats() const {
    std::string sorted = letters;
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  }
};

[[noreturn]] void invalid(const std::string& equation) {
  throw ValueError(
      fmt::format("Invalid einsum equation '{}'. Equations must be in the form [X],[Y]->[Z], "
                  "...[X],[Y]->...[Z], or [X]...,[Y]->[Z]....",
                  equation));
}

/// So many letters that the equation does not use.
std::string spare_letters(const EinsumEquation& equation, std::size_t count) {
  const std::string used = equation.input + equation.kernel + equation.output;
  std::string out;
  for (char letter = 'a'; letter <= 'z' && out.size() < count; ++letter) {
    if (!has_letter(used, letter)) out += letter;
  }
  if (out.size() < count) throw ValueError("The input has too many axes for an einsum equation.");
  return out;
}

std::int64_t size_of(const Shape& shape, const std::string& letters, char letter) {
  return shape.dims().at(letters.find(letter));
}

}  // namespace

EinsumEquation::EinsumEquation(const std::string& equation, std::size_t input_rank) {
  const std::size_t comma = equation.find(','), arrow = equation.find("->");
  if (comma == std::string::npos || arrow == std::string::npos || arrow < comma) invalid(equation);
  const std::string_view text = equation;
  const Operand x(text.substr(0, comma)), k(text.substr(comma + 1, arrow - comma - 1)),
      y(text.substr(arrow + 2));
  for (const Operand* operand : {&x, &k, &y}) {
    if (!operand->is_letters()) invalid(equation);
    if (operand->repeats()) {
      throw UnsupportedError(fmt::format(
          "The einsum equation '{}' names an axis twice in one operand, which is not supported.",
          equation));
    }
  }
  if (k.front || k.back || (x.front && x.back) || x.front != y.front || x.back != y.back) {
    invalid(equation);
  }
  input = x.letters;
  kernel = k.letters;
  output = y.letters;
  const bool open = x.front || x.back;
  if (input_rank < input.size() || (!open && input_rank != input.size())) {
    throw ValueError(fmt::format("The einsum equation '{}' does not suit an input of {} axes.",
                                 equation, input_rank));
  }
  if (!open) return;
  elided = input_rank - input.size();
  ellipsis = x.front ? Ellipsis::kFront : Ellipsis::kBack;
  const std::string more = spare_letters(*this, elided);
  input = x.front ? more + input : input + more;
  output = x.front ? more + output : output + more;
}

EinsumShapes::EinsumShapes(const EinsumEquation& equation, const Shape& input,
                           const Shape& output_shape, const std::string& bias_axes) {
  take_output(equation, input, output_shape);
  take_kernel(equation, input);
  if (!bias_axes.empty()) take_bias(equation, bias_axes);
}

void EinsumShapes::take_output(const EinsumEquation& equation, const Shape& input,
                               const Shape& output_shape) {
  using Ellipsis = EinsumEquation::Ellipsis;
  const auto elide = [&](Ellipsis ellipsis, std::size_t first, std::size_t end) {
    for (std::size_t i = first; equation.ellipsis == ellipsis && i < end; ++i) {
      output.push_back(input.dims()[i]);
    }
  };
  output.push_back(input[0]);
  elide(Ellipsis::kFront, 1, equation.elided);
  for (const std::int64_t dim : output_shape) output.push_back(dim);
  elide(Ellipsis::kBack, input.rank() - equation.elided, input.rank());
  if (output.rank() != equation.output.size()) {
    throw ValueError(
        fmt::format("`output_shape` {} does not suit the output spec '{}', of which it "
                    "leaves the batch out.",
                    output_shape.str(), equation.output));
  }
  for (std::size_t i = 0; i < equation.output.size(); ++i) {
    const char letter = equation.output[i];
    if (!has_letter(equation.input, letter)) {
      if (has_letter(equation.kernel, letter)) continue;
      throw ValueError(
          fmt::format("Dimension '{}' was specified in the output '{}' but has no "
                      "corresponding dim in the input spec '{}' or weight spec '{}'",
                      letter, equation.output, equation.input, equation.kernel));
    }
    const std::int64_t dim = output.dims()[i], of_input = size_of(input, equation.input, letter);
    if (dim != kNone && of_input != kNone && dim != of_input) {
      throw ValueError(
          fmt::format("Input shape and output shape do not match at shared dimension '{}'. Input "
                      "shape is {}, and output shape is {}.",
                      letter, of_input, dim));
    }
  }
}

void EinsumShapes::take_kernel(const EinsumEquation& equation, const Shape& input) {
  for (const char letter : equation.kernel) {
    const bool kept = has_letter(equation.output, letter);
    if (!kept && !has_letter(equation.input, letter)) {
      throw ValueError(
          fmt::format("Weight dimension '{}' did not have a match in either the input spec '{}' or "
                      "the output spec '{}'. For this layer, the weight must be fully specified.",
                      letter, equation.input, equation.output));
    }
    kernel.push_back(kept ? size_of(output, equation.output, letter)
                          : size_of(input, equation.input, letter));
    if (!kept) summed.push_back(kernel.rank() - 1);
  }
}

void EinsumShapes::take_bias(const EinsumEquation& equation, const std::string& bias_axes) {
  std::size_t first = equation.output.size();
  for (const char letter : bias_axes) {
    if (!has_letter(equation.output, letter)) {
      throw ValueError(
          fmt::format("Bias dimension '{}' was requested, but is not part of the output spec '{}'",
                      letter, equation.output));
    }
    first = std::min(first, equation.output.find(letter));
  }
  bias.emplace();
  for (std::size_t i = first; i < equation.output.size(); ++i) {
    bias->push_back(has_letter(bias_axes, equation.output[i]) ? output.dims()[i] : 1);
  }
}

}  // namespace lamina::layers
