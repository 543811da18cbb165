#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "graph/builder.h"

// Sums of products over axes that have letters, as products of matrices.
namespace lamina::layers {

/// A value with a letter for each of its axes, no letter twice.
struct Lettered {
  graph::ValueId value;
  std::string letters;
};

/// The letters of a product by what a product of matrices does with their axes. Those of the rows
/// are in the first factor's order, the others in the second's.
struct Roles {
  std::string batch;    ///< in all three: a product for each index
  std::string rows;     ///< the first factor's own
  std::string depth;    ///< summed over
  std::string columns;  ///< the second factor's own
  std::string lost;     ///< of the first factor alone: summed over before

  Roles(const std::string& first, const std::string& second, const std::string& product);
};

/// The sizes of axes by their letters.
[[nodiscard]] std::vector<std::int64_t> sizes_of(const std::string& wanted,
                                                 const std::string& letters, const Shape& shape);
/// x with its axes in the order of `wanted`.
[[nodiscard]] graph::ValueId ordered(graph::Builder& builder, const Lettered& x,
                                     const std::string& wanted);
/// x summed over the axes whose letters `kept` lacks.
[[nodiscard]] Lettered summed(graph::Builder& builder, const Lettered& x, const std::string& kept);
/// The product of both, of one dtype, summed over what `kept` lacks. Where both have a letter the
/// sizes are equal, or one is 1 and repeated.
[[nodiscard]] Lettered contracted(graph::Builder& builder, Lettered a, Lettered b,
                                  const std::string& kept);

}  // namespace lamina::layers
