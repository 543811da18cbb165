#pragma once
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/training/graph/gradient_check.h"

namespace lamina::training::testkit {

using lamina::test::one_of;
using layers::IntPair;
using layers::IntTriple;

/// A layer with the shapes that it is applied to.
struct Case {
  LayerRef layer;
  std::vector<Shape> inputs;
};

struct Row {
  std::string name;
  std::function<Case(Random&)> make;
};
inline void PrintTo(const Row& row, std::ostream* stream) {
  *stream << row.name;
}

inline bool coin(Random& random) {
  return pick(random, 0, 1) == 1;
}
inline IntPair pair(Random& random, std::int64_t low, std::int64_t high) {
  return {pick(random, low, high), pick(random, low, high)};
}
inline IntTriple triple(Random& random, std::int64_t low, std::int64_t high) {
  return {pick(random, low, high), pick(random, low, high), pick(random, low, high)};
}
inline std::string padding(Random& random) {
  return coin(random) ? "same" : "valid";
}

/// (batch, height, width, channels), or channels first.
inline Shape image(Random& random, std::int64_t channels, bool channels_first) {
  const std::int64_t batch = pick(random, 1, 3), h = pick(random, 7, 10), w = pick(random, 7, 10);
  return channels_first ? Shape{batch, channels, h, w} : Shape{batch, h, w, channels};
}

/// (batch, depth, height, width, channels), or channels first.
inline Shape volume(Random& random, std::int64_t channels, bool channels_first) {
  const std::int64_t batch = pick(random, 1, 2);
  const IntTriple size = triple(random, 3, 5);
  return channels_first ? Shape{batch, channels, size.first, size.second, size.third}
                        : Shape{batch, size.first, size.second, size.third, channels};
}

constexpr const char* kFirst = "channels_first";
inline const char* format(bool channels_first) {
  return channels_first ? kFirst : "channels_last";
}

inline std::string activation(Random& random) {
  return one_of<std::string>(random, {"linear", "relu", "silu", "tanh", "sigmoid", "gelu"});
}

/// Those of gradient_rows_*.cpp.
std::vector<Row> rows_of_convolutions();
/// Of those of three spatial axes.
std::vector<Row> rows_of_volumes();
/// Of einsum, dot products and attention.
std::vector<Row> rows_of_attention();
/// Of recurrent layers, their cells, and what goes along with them.
std::vector<Row> rows_of_recurrence();
/// Of what prepares images, and changes them at random.
std::vector<Row> rows_of_images();

}  // namespace lamina::training::testkit
