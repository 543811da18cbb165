#include "training/optimizers/penalties.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "core/parallel_ranges.h"
#include "core/variable_access.h"
#include "ops/jobs/orthogonal_on_host.h"

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
  f(std::int64_t{0}, pieces);
}

/// The same for vectors, so many for a thread as are worth a job.
template <class F>
void for_vectors(Device device, std::int64_t count, const F& f) {
  if (device != Device::cpu()) return f(std::int64_t{0}, count);
  constexpr std::int64_t kEach = ops::jobs::kVectorsAtOnce;
  core::parallel_ranges((count + kEach - 1) / kEach, core::kElementsPerPart,
                        [&](std::int64_t begin, std::int64_t end) {
                          f(begin * kEach, std::min(end * kEach, count));
                        });
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
    std::optional<OrthogonalPenalty> orthogonal;
    if (regularizer.orthogonal()) orthogonal.emplace(*variable, device);
    const std::int64_t pieces =
        orthogonal ? orthogonal->count() : (variable->shape().size() + kPieceSize - 1) / kPieceSize;
    penalized_.push_back(
        {variable, i, {regularizer.l1(), regularizer.l2()}, std::move(orthogonal), first, pieces});
    first += pieces;
  }
  if (first > 0) sums_ = Tensor::empty({first}, DType::kFloat64, device);
}

const Tensor& Penalties::sums() {
  if (!sums_.defined()) return sums_;
  for (Penalized& each : penalized_) add_up(each);
  return sums_;
}

void Penalties::add_up(Penalized& each) {
  if (each.pieces == 0) return;  // a launch of nothing is an error
  const Variable& variable = *each.variable;
  auto* const sums = static_cast<double*>(sums_.raw()) + each.first;
  if (each.orthogonal) {
    runner_.run(each.orthogonal->norms(variable));
    return for_vectors(runner_.device(), each.pieces, [&](std::int64_t begin, std::int64_t end) {
      runner_.run(each.orthogonal->cosines(variable, begin, end, sums));
    });
  }
  const void* const w = variable.value().raw();
  for_pieces(runner_.device(), each.pieces, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kPieceSize;
    runner_.run(kernels::PenaltyJob{variable.dtype(), each.factors, at(w, first, variable.dtype()),
                                    std::min(end * kPieceSize, variable.shape().size()) - first,
                                    sums + begin});
  });
}

double Penalties::value_of(const Tensor& sums) const {
  if (!sums.defined()) return 0;
  double total = 0;
  for (const Penalized& each : penalized_) {
    const auto mine = sums.data<double>().subspan(static_cast<std::size_t>(each.first),
                                                  static_cast<std::size_t>(each.pieces));
    const double sum = std::accumulate(mine.begin(), mine.end(), 0.0);
    total +=
        rounded_to(each.variable->dtype(), each.orthogonal ? each.orthogonal->value(sum) : sum);
  }
  return total;
}

void Penalties::add_gradients(const std::vector<Tensor>& gradients, double scale,
                              const std::function<bool(std::size_t index)>& is_zero) const {
  for (const Penalized& each : penalized_) {
    Tensor gradient = gradients.at(each.index);
    add_gradient(each, gradient, scale, is_zero(each.index));
  }
}

void Penalties::add_gradient(const Penalized& each, Tensor& gradient, double scale,
                             bool zero) const {
  const Variable& variable = *each.variable;
  if (variable.shape().size() == 0) return;
  if (each.orthogonal) {
    const auto* const sums = static_cast<const double*>(sums_.raw()) + each.first;
    const kernels::InOut there{zero ? nullptr : gradient.raw(), gradient.raw()};
    return for_vectors(runner_.device(), each.pieces, [&](std::int64_t begin, std::int64_t end) {
      runner_.run(each.orthogonal->gradient(variable, begin, end, sums, scale, there));
    });
  }
  const void* const w = variable.value().raw();
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

void KnownPenalty::begin(std::vector<VariablePtr> variables) {
  const Device device = variables.empty() ? Device::cpu() : variables.front()->device();
  std::vector<std::uint64_t> versions;
  for (const VariablePtr& variable : variables)
    versions.push_back(core::VariableAccess::version(*variable));
  const bool same = penalties_ && variables == variables_ && device == device_;
  if (same && value_ && versions == versions_) return;
  value_.reset();
  if (!same) {
    penalties_.emplace(variables, device);
    variables_ = std::move(variables);
    device_ = device;
  }
  sums_ = penalties_->sums();
  versions_ = std::move(versions);
}

double KnownPenalty::value() {
  if (!value_) value_ = penalties_->value_of(sums_.to(Device::cpu()));
  return *value_;
}

}  // namespace lamina::training
