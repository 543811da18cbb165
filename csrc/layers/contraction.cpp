#include "layers/contraction.h"

#include "layers/einsum_equation.h"

namespace lamina::layers {

using graph::Builder;
using graph::ValueId;

Roles::Roles(const std::string& first, const std::string& second, const std::string& product) {
  const auto of_second = [&](bool in_first, bool in_product) {
    return letters_of(second, [&](char letter) {
      return has_letter(first, letter) == in_first && has_letter(product, letter) == in_product;
    });
  };
  batch = of_second(true, true);
  depth = of_second(true, false);
  columns = of_second(false, true);
  const auto of_first = [&](bool in_product) {
    return letters_of(first, [&](char letter) {
      return !has_letter(second, letter) && has_letter(product, letter) == in_product;
    });
  };
  rows = of_first(true);
  lost = of_first(false);
}

std::vector<std::int64_t> sizes_of(const std::string& wanted, const std::string& letters,
                                   const Shape& shape) {
  std::vector<std::int64_t> sizes;
  for (const char letter : wanted) sizes.push_back(shape.dims()[letters.find(letter)]);
  return sizes;
}

ValueId ordered(Builder& builder, const Lettered& x, const std::string& wanted) {
  if (x.letters == wanted) return x.value;
  std::vector<std::size_t> perm;
  for (const char letter : wanted) perm.push_back(x.letters.find(letter));
  return builder.transpose(x.value, std::move(perm));
}

Lettered summed(Builder& builder, const Lettered& x, const std::string& kept) {
  std::vector<std::size_t> axes;
  const std::string left = letters_of(x.letters, [&](char c) { return has_letter(kept, c); });
  for (std::size_t i = 0; i < x.letters.size(); ++i) {
    if (!has_letter(kept, x.letters[i])) axes.push_back(i);
  }
  if (axes.empty()) return x;
  const Shape shape(sizes_of(left, x.letters, builder.shape(x.value)));
  return {builder.sum(x.value, std::move(axes), shape), left};
}

namespace {

/// Without the axes of size 1 that the other has of another size: they are repeated.
Lettered without_repeated(Builder& builder, const Lettered& x, const Lettered& other) {
  const Shape shape = builder.shape(x.value), beside = builder.shape(other.value);
  const std::string left = letters_of(x.letters, [&](char letter) {
    return !has_letter(other.letters, letter) || sizes_of({letter}, x.letters, shape)[0] != 1 ||
           sizes_of({letter}, other.letters, beside)[0] == 1;
  });
  return {builder.reshape(x.value, Shape(sizes_of(left, x.letters, shape))), left};
}

}  // namespace

Lettered contracted(Builder& builder, Lettered a, Lettered b, const std::string& kept) {
  const Lettered first = without_repeated(builder, a, b), second = without_repeated(builder, b, a);
  a = summed(builder, first, kept + second.letters);
  b = summed(builder, second, kept + first.letters);
  const Roles roles(a.letters, b.letters, kept);
  const std::vector<std::int64_t> batch = sizes_of(roles.batch, a.letters, builder.shape(a.value)),
                                  rows = sizes_of(roles.rows, a.letters, builder.shape(a.value)),
                                  columns =
                                      sizes_of(roles.columns, b.letters, builder.shape(b.value));
  const auto count = [](const std::vector<std::int64_t>& sizes) { return Shape(sizes).size(); };
  const std::int64_t depth = count(sizes_of(roles.depth, a.letters, builder.shape(a.value)));
  const ValueId left = builder.reshape(ordered(builder, a, roles.batch + roles.rows + roles.depth),
                                       {count(batch), count(rows), depth});
  const ValueId right =
      builder.reshape(ordered(builder, b, roles.batch + roles.depth + roles.columns),
                      {count(batch), depth, count(columns)});
  std::vector<std::int64_t> sizes = batch;
  sizes.insert(sizes.end(), rows.begin(), rows.end());
  sizes.insert(sizes.end(), columns.begin(), columns.end());
  const ValueId product = builder.matmul(left, right, {}, builder.dtype(left));
  return {builder.reshape(product, Shape(std::move(sizes))),
          roles.batch + roles.rows + roles.columns};
}

}  // namespace lamina::layers
