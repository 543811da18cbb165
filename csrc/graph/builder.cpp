#include "graph/builder.h"

#include <algorithm>

namespace lamina::graph {

ValueId Builder::emit(ops::OpSpec spec, std::vector<ValueId> inputs, std::vector<Param> params) {
  const bool scaled = !params.empty() &&
                      std::any_of(scaled_.begin(), scaled_.end(),
                                  [&](auto& one) { return one.first == params.front().variable; });
  return scaled ? emit_scaled(std::move(spec), std::move(inputs), std::move(params))
                : append(std::move(spec), std::move(inputs), std::move(params));
}

// The bias, which is not scaled, is added behind it.
ValueId Builder::emit_scaled(ops::OpSpec spec, std::vector<ValueId> inputs,
                             std::vector<Param> params) {
  const VariablePtr variable = params.front().variable;
  std::vector<Param> bias;
  std::visit(
      [&]([[maybe_unused]] auto& op) {
        if constexpr (requires { op.bias; }) {
          if (!std::exchange(op.bias, false)) return;
          bias.push_back(std::move(params.at(1)));
          params.erase(params.begin() + 1);
        }
      },
      spec);
  ValueId y = append(std::move(spec), std::move(inputs), std::move(params));
  for (const auto& [of, scale] : scaled_) {
    if (of == variable) y = binary(ops::Binary::kMultiply, y, cast(scale, dtype(y)));
  }
  if (bias.empty()) return y;
  const ops::ParamValue value{bias.front().as};
  return binary(ops::Binary::kAdd, y, emit(value, {}, std::move(bias)));
}

ValueId Builder::append(ops::OpSpec spec, std::vector<ValueId> inputs, std::vector<Param> params) {
  const ValueId y = program_.add_value(std::visit([](const auto& op) { return op.y; }, spec));
  program_.ops.push_back({std::move(spec), std::move(inputs), std::move(params), y, layer_});
  return y;
}

ValueId Builder::activation(ValueId x, ops::Activation activation) {
  if (activation.kind == ops::Unary::kLinear) return x;
  return emit(ops::UnaryOp{spec(x), spec(x), activation}, {x});
}

ValueId Builder::binary(ops::Binary kind, ValueId x0, ValueId x1) {
  const Shape& a = shape(x0);
  const Shape& b = shape(x1);
  const std::size_t rank = std::max(a.rank(), b.rank());
  std::vector<std::int64_t> dims(rank);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t da = i < a.rank() ? a.dims()[a.rank() - 1 - i] : 1;
    const std::int64_t db = i < b.rank() ? b.dims()[b.rank() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      throw ValueError("Shapes " + a.str() + " and " + b.str() + " cannot be broadcast together.");
    }
    dims[rank - 1 - i] = da == 1 ? db : da;
  }
  return emit(ops::BinaryOp{kind, spec(x0), spec(x1), {Shape(std::move(dims)), dtype(x0)}, {}},
              {x0, x1});
}

ValueId Builder::matmul(ValueId x0, ValueId x1, ops::MatMul how, DType dtype) {
  how.x0 = spec(x0);
  how.x1 = spec(x1);
  const Shape &a = how.x0.shape, &b = how.x1.shape;
  const bool fit = a.rank() >= 2 && a.rank() == b.rank() &&
                   std::equal(a.begin(), a.end() - 2, b.begin()) &&
                   a[how.transpose_x0 ? -2 : -1] == b[how.transpose_x1 ? -1 : -2];
  if (!fit) {
    throw ValueError("Matrices of the shapes " + a.str() + " and " + b.str() +
                     " cannot be multiplied.");
  }
  how.y = {a, dtype};
  how.y.shape[-2] = a[how.transpose_x0 ? -1 : -2];
  how.y.shape[-1] = b[how.transpose_x1 ? -2 : -1];
  return emit(std::move(how), {x0, x1});
}

ValueId Builder::reshape(ValueId x, Shape shape) {
  if (this->shape(x) == shape) return x;
  return emit(ops::Reshape{spec(x), {std::move(shape), dtype(x)}}, {x});
}

ValueId Builder::transpose(ValueId x, std::vector<std::size_t> perm) {
  std::vector<std::int64_t> dims;
  for (std::size_t p : perm) dims.push_back(shape(x).dims().at(p));
  return emit(ops::Transpose{spec(x), {Shape(std::move(dims)), dtype(x)}, std::move(perm)}, {x});
}

ValueId Builder::cast(ValueId x, DType to) {
  if (dtype(x) == to) return x;
  return emit(ops::Cast{spec(x), {shape(x), to}}, {x});
}

ValueId Builder::row(ValueId x, std::int64_t index, Shape shape) {
  ops::Pad crop;
  crop.x = spec(x);
  crop.y = crop.x;
  crop.y.shape[0] = 1;
  crop.before.assign(crop.x.shape.rank(), 0);
  crop.after = crop.before;
  crop.before[0] = -index;
  crop.after[0] = index + 1 - crop.x.shape[0];
  return reshape(emit(std::move(crop), {x}), std::move(shape));
}

ValueId Builder::sum(ValueId x, std::vector<std::size_t> axes, Shape shape) {
  if (axes.empty()) return reshape(x, std::move(shape));
  return emit(
      ops::Reduce{ops::Reduce::Kind::kSum, spec(x), {std::move(shape), dtype(x)}, std::move(axes)},
      {x});
}

StateUpdate* Builder::update_of(const VariablePtr& variable) {
  const auto found =
      std::find_if(program_.state_updates.begin(), program_.state_updates.end(),
                   [&](const StateUpdate& update) { return update.variable == variable; });
  return found == program_.state_updates.end() ? nullptr : &*found;
}

ValueId Builder::state(const VariablePtr& variable) {
  if (const StateUpdate* update = update_of(variable)) return update->value;
  Param param = Param::of(variable, variable->dtype());
  param.constant = true;
  const ops::TensorSpec spec = param.as;
  return append(ops::ParamValue{spec}, {}, {std::move(param)});
}

void Builder::set_state(const VariablePtr& variable, ValueId value) {
  value = cast(value, variable->dtype());
  if (StateUpdate* update = update_of(variable)) {
    update->value = value;
  } else {
    program_.state_updates.push_back({variable, value});
  }
}

ValueId Builder::random_state() {
  if (!program_.random_state) {
    program_.random_state = program_.add_value({{2}, DType::kUInt64});
    program_.inputs.push_back(*program_.random_state);
  }
  return *program_.random_state;
}

ValueId Builder::dropout(ValueId x, double rate) {
  return emit(ops::Dropout{spec(x), spec(x), rate, draws_++}, {x, random_state()});
}

ValueId Builder::noise(ValueId x, ops::Noise::Kind kind, double stddev) {
  return emit(ops::Noise{spec(x), spec(x), kind, stddev, draws_++}, {x, random_state()});
}

}  // namespace lamina::graph
