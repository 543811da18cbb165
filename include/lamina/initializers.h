#pragma once
#include <lamina/variable.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace lamina {

/// A small array of numbers for options that Keras takes as a number or a (nested) list:
/// `1.0 / 255`, `{0.485, 0.456, 0.406}`, or values with a shape. Default-constructed: not given.
struct ArrayLike {
  ArrayLike() = default;
  ArrayLike(double value) : values{value}, given(true) {}  // NOLINT: implicit on purpose
  ArrayLike(std::initializer_list<double> list)            // NOLINT
      : ArrayLike(std::vector<double>(list)) {}
  ArrayLike(std::vector<double> list)  // NOLINT
      : values(std::move(list)), shape{static_cast<std::int64_t>(values.size())}, given(true) {}
  /// Throws ValueError when the number of values is not that of `shape`.
  ArrayLike(std::vector<double> list, Shape shape);

  std::vector<double> values;
  Shape shape;
  bool given = false;
};

/// Keras's initializers as values. Draws depend on the seed, and without one on the global seed
/// (`set_random_seed`; random unless set) and on how many variables were created before: never on
/// threads or on the order in which variables are first used. Throw ValueError for bad arguments
/// when converted to an Initializer.
namespace initializers {

struct Zeros {};
struct Ones {};
struct Constant {
  ArrayLike value = 0.0;  ///< a number, or an array that broadcasts to the variable's shape
};
struct RandomNormal {
  double mean = 0.0, stddev = 0.05;
  std::optional<std::uint64_t> seed = {};
};
/// Draws further than two standard deviations from the mean are drawn again.
struct TruncatedNormal {
  double mean = 0.0, stddev = 0.05;
  std::optional<std::uint64_t> seed = {};
};
/// [minval, maxval).
struct RandomUniform {
  double minval = -0.05, maxval = 0.05;
  std::optional<std::uint64_t> seed = {};
};
/// Variance scale / n, n by `mode`: "fan_in", "fan_out", "fan_avg"; `distribution`: "normal" or
/// "truncated_normal" (the same), "untruncated_normal", "uniform".
struct VarianceScaling {
  double scale = 1.0;
  std::string mode = "fan_in";
  std::string distribution = "truncated_normal";
  std::optional<std::uint64_t> seed = {};
};
// VarianceScaling with a scale, a mode and a distribution of its own.
/// 1, "fan_avg", "uniform"
struct GlorotUniform {
  std::optional<std::uint64_t> seed = {};
};
/// 1, "fan_avg", "truncated_normal"
struct GlorotNormal {
  std::optional<std::uint64_t> seed = {};
};
/// 2, "fan_in", "uniform"
struct HeUniform {
  std::optional<std::uint64_t> seed = {};
};
/// 2, "fan_in", "truncated_normal"
struct HeNormal {
  std::optional<std::uint64_t> seed = {};
};
/// 1, "fan_in", "uniform"
struct LecunUniform {
  std::optional<std::uint64_t> seed = {};
};
/// 1, "fan_in", "truncated_normal"
struct LecunNormal {
  std::optional<std::uint64_t> seed = {};
};
/// A matrix (the last axis against all others) with orthonormal rows or columns, times `gain`.
struct Orthogonal {
  double gain = 1.0;
  std::optional<std::uint64_t> seed = {};
};
/// gain * identity; two-dimensional shapes only.
struct Identity {
  double gain = 1.0;
};

}  // namespace initializers

/// How a variable gets its first value: a Keras name, one of the structs above, or a function of
/// one's own. The names, in Keras's two forms ("glorot_uniform", "GlorotUniform"), stand for the
/// defaults of "constant" (0), "identity", "orthogonal", "random_normal" or "normal",
/// "random_uniform" or "uniform", "truncated_normal", "variance_scaling"; and are "zeros" or
/// "zero", "ones" or "one", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
/// "lecun_normal", "lecun_uniform". Others throw ValueError.
class Initializer {
 public:
  using Kind = std::variant<
      Variable::Initializer, initializers::Zeros, initializers::Ones, initializers::Constant,
      initializers::RandomNormal, initializers::TruncatedNormal, initializers::RandomUniform,
      initializers::VarianceScaling, initializers::GlorotUniform, initializers::GlorotNormal,
      initializers::HeUniform, initializers::HeNormal, initializers::LecunUniform,
      initializers::LecunNormal, initializers::Orthogonal, initializers::Identity>;

  Initializer(const char* name);                       // NOLINT: implicit on purpose
  Initializer(const std::string& name);                // NOLINT
  Initializer(initializers::Zeros zeros);              // NOLINT
  Initializer(initializers::Ones ones);                // NOLINT
  Initializer(initializers::Constant constant);        // NOLINT
  Initializer(initializers::RandomNormal normal);      // NOLINT
  Initializer(initializers::TruncatedNormal normal);   // NOLINT
  Initializer(initializers::RandomUniform uniform);    // NOLINT
  Initializer(initializers::VarianceScaling scaling);  // NOLINT
  Initializer(initializers::GlorotUniform uniform);    // NOLINT
  Initializer(initializers::GlorotNormal normal);      // NOLINT
  Initializer(initializers::HeUniform uniform);        // NOLINT
  Initializer(initializers::HeNormal normal);          // NOLINT
  Initializer(initializers::LecunUniform uniform);     // NOLINT
  Initializer(initializers::LecunNormal normal);       // NOLINT
  Initializer(initializers::Orthogonal orthogonal);    // NOLINT
  Initializer(initializers::Identity identity);        // NOLINT
  Initializer(Variable::Initializer function);         // NOLINT

  /// Keras's: "GlorotUniform"; empty for a function of one's own.
  [[nodiscard]] std::string class_name() const;
  [[nodiscard]] const Kind& kind() const noexcept { return kind_; }

  /// The function for one new variable; takes the variable's place in the random sequence.
  [[nodiscard]] Variable::Initializer bind() const;
  /// The same for a kernel that is summed over along `input_axes` alone, which VarianceScaling's
  /// `n` hangs on; without them shapes are read as those of convolutions.
  [[nodiscard]] Variable::Initializer bind(std::vector<std::size_t> input_axes) const;

 private:
  Kind kind_;
};

}  // namespace lamina
