#pragma once
#include <optional>
#include <string>

namespace lamina {

/// Keras's regularizers as values. Factors that are negative or not finite throw ValueError when
/// converted to a Regularizer.
namespace regularizers {

/// l1 * sum(|x|). Keras keeps this one's factor as a float32. The derivative of |x| at 0 is 0, as
/// in Keras on TensorFlow and PyTorch; on JAX it is 1.
struct L1 {
  double l1 = 0.01;
};
/// l2 * sum(x^2)
struct L2 {
  double l2 = 0.01;
};
/// l1 * sum(|x|) + l2 * sum(x^2)
struct L1L2 {
  double l1 = 0.0, l2 = 0.0;
};

/// factor times the mean of |cosine| of all pairs of rows of a matrix, or of its columns, with
/// `mode` "columns"; other modes throw ValueError. Of weights of rank 2, as in Keras: others throw
/// ValueError when they are to be trained; not of what layers give. Keras keeps the factor as a
/// float32.
struct OrthogonalRegularizer {
  double factor = 0.01;
  std::string mode = "rows";
};

}  // namespace regularizers

/// What a variable, or what a layer gives, adds to the loss: nothing, one of the structs above, or
/// the Keras name of one with its defaults: "L1", "L2", "L1L2", "OrthogonalRegularizer", or "l1",
/// "l2", "l1l2", "orthogonal_regularizer". Other names throw ValueError.
class Regularizer {
 public:
  Regularizer() = default;
  Regularizer(const char* name);                                 // NOLINT: implicit on purpose
  Regularizer(const std::string& name);                          // NOLINT
  Regularizer(regularizers::L1 regularizer);                     // NOLINT
  Regularizer(regularizers::L2 regularizer);                     // NOLINT
  Regularizer(regularizers::L1L2 regularizer);                   // NOLINT
  Regularizer(regularizers::OrthogonalRegularizer regularizer);  // NOLINT

  /// False for the one that adds nothing because there is none.
  [[nodiscard]] explicit operator bool() const noexcept { return !class_name_.empty(); }
  /// Keras's: "L1L2".
  [[nodiscard]] const std::string& class_name() const noexcept { return class_name_; }
  /// What it is if it is that one.
  [[nodiscard]] const std::optional<regularizers::OrthogonalRegularizer>& orthogonal()
      const noexcept {
    return orthogonal_;
  }
  /// It adds l1() * sum(|x|) + l2() * sum(x^2), if it is another one.
  [[nodiscard]] double l1() const noexcept { return l1_; }
  [[nodiscard]] double l2() const noexcept { return l2_; }

 private:
  std::string class_name_;
  double l1_ = 0, l2_ = 0;
  std::optional<regularizers::OrthogonalRegularizer> orthogonal_;
};

}  // namespace lamina
