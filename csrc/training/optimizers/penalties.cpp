#include "training/optimizers/penalties.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "core/parallel_ranges.h"

namespace lamina::training {
namespace {

using kernels::kPieceSize;

std::byte* at(void* array, std::int64_t element, DType dtype) {
  return static_cast<std::byte*>(array) + static_cast<std::size_t>(element) * dtype_size(dtype);
}

const std::byte* at(const void* array, std::int64_t element, DType dtype) {
  return at(const_cast<void*>(array), element, dtype);
}

/// Calls f(begin, end) for ranges of pieces: all at once for a device, one a thread on the host.
template <class F>
void for_pieces(Device device, std::int64_t pieces, const F& f) {
  if (device == Device::cpu()) return core::parallel_ranges(pieces, kPieceSize, f);
  if (pieces > 0) f(std::int64_t{0}, pieces);
}

/// As Keras has the penalty of one variable: of the variable's dtype.
double rounded_to(DType dtype, double value) {
  return Tensor::from<double>({value}, {}).cast(dtype).cast(DType::kFloat64).data<double>()[0];
}

}  // namespace

Penalties::Penalties(const std::vector<VariablePtr>& variables, Device device) : runner_(device) {
  std::int64_t first = 0;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const VariablePtr& variable = variables[i];
    const Regularizer& regularizer = variable->regularizer();
    if (!regularizer || !is_floating(variable->dtype())) continue;
    const std::int64_t pieces = (variable->shape().size() + kPieceSize - 1) / kPieceSize;
    penalized_.push_back({variable, i, {regularizer.l1(), regularizer.l2()}, first, pieces});
    first += pieces;
  }
  if (first > 0) sums_ = Tensor::empty({first}, DType::kFloat64, device);
}

const Tensor& Penalties::sums() {
  if (!sums_.defined()) return sums_;
  for (const Penalized& each : penalized_) {
    const Variable& variable = *each.variable;
    const void* const w = variable.value().raw();
    for_pieces(runner_.device(), each.pieces, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = begin * kPieceSize;
      runner_.run(kernels::PenaltyJob{variable.dtype(), each.factors,
                                      at(w, first, variable.dtype()),
                                      std::min(end * kPieceSize, variable.shape().size()) - first,
                                      static_cast<double*>(sums_.raw()) + each.first + begin});
    });
  }
  return sums_;
}

double Penalties::value_of(const Tensor& sums) const {
  if (!sums.defined()) return 0;
  double total = 0;
  for (const Penalized& each : penalized_) {
    const auto mine = sums.data<double>().subspan(static_cast<std::size_t>(each.first),
                                                  static_cast<std::size_t>(each.pieces));
    total += rounded_to(each.variable->dtype(), std::accumulate(mine.begin(), mine.end(), 0.0));
  }
  return total;
}

void Penalties::add_gradients(const std::vector<Tensor>& gradients, double scale,
                              const std::function<bool(std::size_t index)>& is_zero) const {
  for (const Penalized& each : penalized_) {
    const Variable& variable = *each.variable;
    const void* const w = variable.value().raw();
    Tensor gradient = gradients.at(each.index);
    const bool zero = is_zero(each.index);
    for_pieces(runner_.device(), each.pieces, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = begin * kPieceSize;
      std::byte* const there = at(gradient.raw(), first, variable.dtype());
      runner_.run(
          kernels::PenaltyGradientJob{variable.dtype(),
                                      each.factors,
                                      scale,
                                      at(w, first, variable.dtype()),
                                      {zero ? nullptr : there, there},
                                      std::min(end * kPieceSize, variable.shape().size()) - first});
    });
  }
}

double penalty_of(const std::vector<VariablePtr>& variables) {
  if (variables.empty()) return 0;
  return Penalties(variables, variables.front()->device()).value();
}

}  // namespace lamina::training
