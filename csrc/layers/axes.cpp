#include "layers/axes.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace lamina::layers {
namespace {

bool is_identity(const std::vector<std::size_t>& perm) {
  return std::is_sorted(perm.begin(), perm.end());
}

}  // namespace

ColumnView::ColumnView(graph::Builder& builder, graph::ValueId x, std::vector<std::size_t> kept)
    : builder_(builder), value_(x) {
  const std::size_t rank = builder.shape(x).rank();
  std::int64_t columns = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    if (std::find(kept.begin(), kept.end(), axis) == kept.end()) perm_.push_back(axis);
  }
  for (const std::size_t axis : kept) {
    perm_.push_back(axis);
    columns *= builder.shape(x).dims()[axis];
  }
  if (!is_identity(perm_)) value_ = builder.transpose(value_, perm_);
  permuted_ = builder.shape(value_);
  const std::int64_t rows = columns == 0 ? 0 : permuted_.size() / columns;
  value_ = builder.reshape(value_, {rows, columns});
}

graph::ValueId ColumnView::restore(graph::ValueId y) const {
  y = builder_.reshape(y, permuted_);
  if (is_identity(perm_)) return y;
  std::vector<std::size_t> inverse(perm_.size());
  for (std::size_t i = 0; i < perm_.size(); ++i) inverse[perm_[i]] = i;
  return builder_.transpose(y, inverse);
}

graph::ValueId column_affine(graph::Builder& builder, graph::ValueId x,
                             const std::vector<std::size_t>& kept, ColumnAffine affine) {
  const ColumnView view(builder, x, kept);
  const auto columns = static_cast<std::size_t>(builder.shape(view.value())[1]);
  const DType dtype = statistics_dtype(builder.dtype(x));
  ops::BatchNorm op;
  op.x = builder.spec(view.value());
  op.y = op.x;
  op.axis = 1;
  op.epsilon = 0;
  op.scale = static_cast<bool>(affine.scale.value);
  op.center = static_cast<bool>(affine.offset.value);
  std::vector<graph::Param> params;
  if (op.scale) params.push_back(std::move(affine.scale));
  if (op.center) params.push_back(std::move(affine.offset));
  const auto or_constant = [&](graph::Param param, double value) {
    return param.value ? std::move(param)
                       : constant_param(std::vector<double>(columns, value), dtype);
  };
  params.push_back(or_constant(std::move(affine.mean), 0));
  params.push_back(or_constant(std::move(affine.variance), 1));
  return view.restore(builder.emit(std::move(op), {view.value()}, std::move(params)));
}

graph::Param constant_param(std::vector<double> values, DType dtype) {
  return {
      {}, [values = std::move(values), dtype] {
        return Tensor::from<double>(values, {static_cast<std::int64_t>(values.size())}).cast(dtype);
      }};
}

graph::ValueId filled(graph::Builder& builder, const ops::TensorSpec& spec, double value) {
  graph::Param param{{}, [spec, value] {
                       const Tensor one = Tensor::from<double>({value}, {1}).cast(spec.dtype);
                       Tensor all = Tensor::empty(spec.shape, spec.dtype);
                       const std::size_t size = one.nbytes();
                       const std::span<std::byte> bytes = all.bytes();
                       for (std::size_t at = 0; at < bytes.size(); at += size) {
                         std::memcpy(&bytes[at], one.bytes().data(), size);
                       }
                       return all;
                     }};
  return builder.emit(ops::ParamValue{spec}, {}, {std::move(param)});
}

std::vector<double> rounded(const std::vector<double>& values, DType dtype) {
  const Tensor exact = Tensor::from<double>(values, {static_cast<std::int64_t>(values.size())});
  const Tensor back = exact.cast(dtype).cast(DType::kFloat64);
  const auto elements = back.data<double>();
  return {elements.begin(), elements.end()};
}

ops::Activation rounded(ops::Activation function, DType dtype) {
  const std::vector<double> parameters = rounded({function.a, function.b, function.c}, dtype);
  return {function.kind, parameters[0], parameters[1], parameters[2]};
}

}  // namespace lamina::layers
