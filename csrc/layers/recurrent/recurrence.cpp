#include "layers/recurrent/recurrence.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "layers/masks.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;

/// Into how many parts a part is cut.
constexpr std::int64_t kParts = 4;

/// What a mask leaves of a step.
class Masking {
 public:
  /// For states like this one.
  Masking(Builder& builder, ValueId mask, std::int64_t steps, const ops::TensorSpec& state)
      : builder_(builder),
        kept_(builder, column(mask, state), steps),
        masked_(builder, builder.activation(column(mask, state), {ops::Unary::kScaleShift, -1, 1}),
                steps) {}

  void go_to(std::int64_t step) {
    keeps_ = kept_.at(step);
    masks_ = masked_.at(step);
  }
  /// `now` where the step counts, else 0, whatever `now` is there.
  [[nodiscard]] ValueId only(ValueId now) const {
    return builder_.binary(ops::Binary::kKeep, now, keeps_);
  }
  /// And `before` where it does not.
  [[nodiscard]] ValueId choose(ValueId now, ValueId before) const {
    const ValueId old = builder_.binary(ops::Binary::kKeep, before, masks_);
    return builder_.binary(ops::Binary::kAdd, only(now), old);
  }

 private:
  /// (batch, time) -> (time * batch, 1, ...), ones and zeros.
  ValueId column(ValueId mask, const ops::TensorSpec& state) {
    const ValueId turned = builder_.transpose(mask_numbers(builder_, mask, state.dtype), {1, 0});
    std::vector<std::int64_t> dims(state.shape.rank(), 1);
    dims.at(0) = builder_.shape(turned).size();
    return builder_.reshape(turned, Shape(std::move(dims)));
  }

  Builder& builder_;
  Steps kept_, masked_;
  ValueId keeps_ = 0, masks_ = 0;
};

}  // namespace

ValueId slice(Builder& builder, ValueId x, std::size_t axis, std::int64_t begin,
              std::int64_t count) {
  ops::Pad crop;
  crop.x = builder.spec(x);
  const auto at = static_cast<std::int64_t>(axis);
  const std::int64_t size = crop.x.shape[at];
  if (begin == 0 && count == size) return x;
  crop.y = crop.x;
  crop.y.shape[at] = count;
  crop.before.assign(crop.x.shape.rank(), 0);
  crop.after = crop.before;
  crop.before[axis] = -begin;
  crop.after[axis] = begin + count - size;
  return builder.emit(std::move(crop), {x});
}

Shape without_axis(const Shape& shape, std::size_t axis) {
  std::vector<std::int64_t> dims = shape.dims();
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  return Shape(std::move(dims));
}

ValueId time_first(Builder& builder, ValueId x) {
  std::vector<std::size_t> perm(builder.shape(x).rank());
  std::iota(perm.begin(), perm.end(), std::size_t{0});
  std::swap(perm.at(0), perm.at(1));
  return builder.transpose(x, std::move(perm));
}

ValueId in_rows(Builder& builder, ValueId x) {
  const std::vector<std::int64_t> dims = builder.shape(x).dims();
  Shape rows{dims.at(0) * dims.at(1)};
  for (std::size_t i = 2; i < dims.size(); ++i) rows.push_back(dims[i]);
  return builder.reshape(x, std::move(rows));
}

ValueId by_step(Builder& builder, ValueId rows, std::int64_t steps) {
  const std::vector<std::int64_t> dims = builder.shape(rows).dims();
  Shape split{steps, dims.at(0) / steps};
  for (std::size_t i = 1; i < dims.size(); ++i) split.push_back(dims[i]);
  return builder.reshape(rows, std::move(split));
}

ValueId joined(Builder& builder, const std::vector<ValueId>& outputs) {
  const ops::TensorSpec each = builder.spec(outputs.front());
  const auto steps = static_cast<std::int64_t>(outputs.size());
  ValueId all = outputs.front();
  if (steps > 1) {
    ops::Concat join;
    join.xs.assign(outputs.size(), each);
    join.y = each;
    join.y.shape[0] *= steps;
    all = builder.emit(std::move(join), outputs);
  }
  return by_step(builder, all, steps);
}

Steps::Steps(Builder& builder, ValueId whole, std::int64_t count)
    : builder_(builder), batch_(builder.shape(whole)[0] / count), parts_{{0, count, whole}} {}

ValueId Steps::at(std::int64_t step) {
  const auto holds = [step](const Part& part) {
    return step >= part.first && step < part.first + part.count;
  };
  while (!holds(parts_.back())) parts_.pop_back();
  while (parts_.back().count > 1) {
    const Part whole = parts_.back();
    const std::int64_t size = (whole.count + kParts - 1) / kParts;
    const std::int64_t skipped = (step - whole.first) / size * size;
    const std::int64_t count = std::min(size, whole.count - skipped);
    parts_.push_back({whole.first + skipped, count,
                      slice(builder_, whole.value, 0, skipped * batch_, count * batch_)});
  }
  return parts_.back().value;
}

Unrolled unroll(Builder& builder, const Recurrence& recurrence, const Step& step) {
  Steps inputs(builder, recurrence.inputs, recurrence.steps);
  States states = recurrence.initial;
  std::optional<Masking> masking;
  if (recurrence.mask) {
    masking.emplace(builder, *recurrence.mask, recurrence.steps, builder.spec(states[0]));
  }
  std::vector<ValueId> outputs;
  for (std::int64_t i = 0; i < recurrence.steps; ++i) {
    const std::int64_t at = recurrence.go_backwards ? recurrence.steps - 1 - i : i;
    States next = step(inputs.at(at), states);
    ValueId output = next[0];
    if (masking) {
      masking->go_to(at);
      for (std::size_t k = 0; k < next.size(); ++k) next[k] = masking->choose(next[k], states[k]);
      output = recurrence.zero_output_for_mask ? masking->only(output) : next[0];
    }
    states = std::move(next);
    if (!recurrence.return_sequences) outputs.clear();
    outputs.push_back(output);
  }
  if (!recurrence.return_sequences) return {outputs.back(), std::move(states)};
  if (recurrence.flipped) std::reverse(outputs.begin(), outputs.end());
  return {joined(builder, outputs), std::move(states)};
}

}  // namespace lamina::layers
