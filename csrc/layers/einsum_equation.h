#pragma once
#include <lamina/shape.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamina::layers {

/// What "abc,cde->abde" says of an input, a kernel and an output: a letter for each of their axes.
/// The axes that an ellipsis stands for, at the front or at the back, have letters of their own.
struct EinsumEquation {
  enum class Ellipsis : std::uint8_t { kNone, kFront, kBack };

  /// For inputs of this rank. Throws ValueError, in Keras's words, for what is no equation, and
  /// UnsupportedError where an operand names an axis twice.
  EinsumEquation(const std::string& equation, std::size_t input_rank);

  std::string input, kernel, output;
  Ellipsis ellipsis = Ellipsis::kNone;
  std::size_t elided = 0;  ///< how many axes the ellipsis stands for
};

[[nodiscard]] inline bool has_letter(const std::string& letters, char letter) {
  return letters.find(letter) != std::string::npos;
}

/// The letters of `of` that `chosen` accepts, in their order.
template <class Chosen>
[[nodiscard]] std::string letters_of(const std::string& of, const Chosen& chosen) {
  std::string out;
  for (const char letter : of) {
    if (chosen(letter)) out += letter;
  }
  return out;
}

/// The shapes that an EinsumDense layer has by its equation.
class EinsumShapes {
 public:
  /// `output_shape`: the output's without the batch and without what an ellipsis stands for; kNone
  /// where the input tells. `bias_axes`: letters of the output; none: no bias. Throws ValueError,
  /// in Keras's words, for what does not fit.
  EinsumShapes(const EinsumEquation& equation, const Shape& input, const Shape& output_shape,
               const std::string& bias_axes);

  Shape kernel;
  Shape output;               ///< kNone where `output_shape` has it, as in Keras
  std::optional<Shape> bias;  ///< the output's last axes, of size 1 those that it is repeated along
  std::vector<std::size_t> summed;  ///< the kernel's axes that the output lacks

 private:
  void take_output(const EinsumEquation& equation, const Shape& input, const Shape& output_shape);
  void take_kernel(const EinsumEquation& equation, const Shape& input);
  void take_bias(const EinsumEquation& equation, const std::string& bias_axes);
};

}  // namespace lamina::layers
