#include "contract_rows.h"

namespace lamina::ops::contract {
namespace {

using Axes = std::vector<std::size_t>;

Shape image(Random& random) {
  return {pick(random, 1, 3), pick(random, 1, 9), pick(random, 1, 9), any_channels(random)};
}

OpSpec reduce(Random& random, Reduce::Kind kind, const Axes& axes) {
  Reduce op;
  op.kind = kind;
  op.x.shape = image(random);
  const bool keep = pick(random, 0, 1) == 1;
  std::size_t next = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const bool reduced = next < axes.size() && axes[next] == i;
    if (reduced) ++next;
    if (!reduced) op.y.shape.push_back(op.x.shape.dims()[i]);
    if (reduced && keep) op.y.shape.push_back(1);
  }
  op.axes = axes;
  return op;
}

OpSpec reduce_any(Random& random) {
  return reduce(random, one_of<Reduce::Kind>(random, {Reduce::Kind::kMean, Reduce::Kind::kMax}),
                one_of<Axes>(random, {{3}, {0}, {1}, {0, 2}, {1, 2, 3}, {0, 1, 2, 3}, {1, 3}}));
}

OpSpec batch_norm(Random& random) {
  BatchNorm op;
  op.x.shape = one_of<Shape>(random, {image(random), {5, 7}, {2, 3, 4}, {300, 17}});
  op.y = op.x;
  op.axis = one_of<std::size_t>(random, {1, op.x.shape.rank() - 1});
  op.scale = pick(random, 0, 1) == 1;
  op.center = pick(random, 0, 1) == 1;
  op.activation = random_activation(random);
  return op;
}

OpSpec layer_norm(Random& random) {
  LayerNorm op;
  op.x.shape = image(random);
  // One element alone has no variance to speak of, and two have no gradient.
  op.x.shape[3] += op.x.shape[3] < 3 ? 2 : 0;
  op.y = op.x;
  op.axes = one_of<Axes>(random, {{3}, {3}, {2, 3}, {1, 2, 3}, {1, 3}});
  op.scale = pick(random, 0, 1) == 1;
  op.rms = pick(random, 0, 3) == 0;
  op.center = !op.rms && pick(random, 0, 1) == 1;
  return op;
}

OpSpec softmax(Random& random) {
  Softmax op;
  op.x.shape = image(random);
  op.y = op.x;
  op.axes = one_of<Axes>(random, {{3}, {3}, {1}, {2, 3}, {0, 2}});
  op.log = pick(random, 0, 1) == 1;
  return op;
}

}  // namespace

std::vector<Row> normalization_rows() {
  const auto global = [](Reduce::Kind kind) {
    return [kind](Random& random) { return reduce(random, kind, {1, 2}); };
  };
  return {{"GlobalMean", global(Reduce::Kind::kMean)},
          {"GlobalMax", global(Reduce::Kind::kMax)},
          {"Reduce", reduce_any},
          {"BatchNorm", batch_norm},
          {"LayerNorm", layer_norm},
          {"Softmax", softmax}};
}

}  // namespace lamina::ops::contract
