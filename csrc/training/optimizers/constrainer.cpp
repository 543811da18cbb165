#include "training/optimizers/constrainer.h"

#include <fmt/format.h>
#include <lamina/error.h>

#include <algorithm>
#include <numeric>

#include "core/denormals.h"
#include "ops/jobs/layouts.h"

namespace lamina::training {
namespace {

using kernels::ConstraintKind;

/// What the kernels take of a constraint, and along which axes its norms are; null: it has none.
struct Described {
  kernels::ConstraintRule rule;
  const layers::Axes* axis = nullptr;

  void operator()(std::monostate) {}
  void operator()(const constraints::NonNeg&) { rule.kind = ConstraintKind::kNonNeg; }
  void operator()(const constraints::MaxNorm& c) {
    rule = {ConstraintKind::kMaxNorm, 0, c.max_value, 1};
    axis = &c.axis;
  }
  void operator()(const constraints::UnitNorm& c) {
    rule.kind = ConstraintKind::kUnitNorm;
    axis = &c.axis;
  }
  void operator()(const constraints::MinMaxNorm& c) {
    rule = {ConstraintKind::kMinMaxNorm, c.min_value, c.max_value, c.rate};
    axis = &c.axis;
  }
};

Described described(const Variable& variable) {
  Described out;
  std::visit(out, variable.constraint().kind());
  return out;
}

/// `axes` of the variable as sorted indices.
std::vector<std::size_t> indices(const Variable& variable, const layers::Axes& axes) {
  const auto rank = static_cast<std::int64_t>(variable.shape().rank());
  std::vector<std::size_t> out;
  if (axes.values.empty()) {
    out.resize(variable.shape().rank());
    std::iota(out.begin(), out.end(), std::size_t{0});
  }
  const auto fail = [&](const char* what, std::int64_t axis) {
    throw ValueError(fmt::format("The constraint {} of '{}' {} for its shape {}: axis={}",
                                 variable.constraint().class_name(), variable.path(), what,
                                 variable.shape().str(), axis));
  };
  for (const std::int64_t axis : axes.values) {
    if (axis < -rank || axis >= rank) fail("has an axis that is out of bounds", axis);
    out.push_back(static_cast<std::size_t>(axis < 0 ? axis + rank : axis));
    if (std::count(out.begin(), out.end(), out.back()) > 1) fail("names an axis twice", axis);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

void check_constraint(const Variable& variable) {
  if (const layers::Axes* const axis = described(variable).axis) (void)indices(variable, *axis);
}

Constrainer::Prepared Constrainer::prepare(const Variable& variable) const {
  const Described constraint = described(variable);
  Prepared out{constraint.rule, {}, {}, {}};
  if (constraint.axis == nullptr) return out;
  out.groups = ops::jobs::groups(variable.shape(), indices(variable, *constraint.axis));
  const auto bytes = [&](std::size_t size) {
    return Tensor::empty({static_cast<std::int64_t>(size)}, DType::kUInt8, device());
  };
  // A norm is as wide as the type that elements are computed in.
  out.norms = bytes(static_cast<std::size_t>(out.groups.count) *
                    (variable.dtype() == DType::kFloat64 ? sizeof(double) : sizeof(float)));
  const std::size_t parts = ops::jobs::parts_bytes(out.groups.slices, out.groups.count);
  if (parts > 0) out.parts = bytes(parts);
  return out;
}

kernels::ConstrainJob Constrainer::job(const Variable& variable, const kernels::InOut& value) {
  auto kept = prepared_.find(&variable);
  if (kept == prepared_.end()) kept = prepared_.emplace(&variable, prepare(variable)).first;
  Prepared& prepared = kept->second;
  return {variable.dtype(),
          prepared.rule,
          value,
          variable.shape().size(),
          prepared.groups,
          prepared.norms.defined() ? prepared.norms.raw() : nullptr,
          prepared.parts.defined() ? prepared.parts.raw() : nullptr};
}

void Constrainer::run(const std::vector<kernels::ConstrainJob>& jobs) const {
  if (device() != Device::cpu()) {
    for (const kernels::ConstrainJob& job : jobs) runner_.run(job);
    return;
  }
  const auto count = static_cast<std::int64_t>(jobs.size());
  const core::ParallelRegion region;
#pragma omp parallel for schedule(dynamic) if (count > 1)
  for (std::int64_t i = 0; i < count; ++i) {
    const core::SameFlushing same(region);
    runner_.run(jobs[static_cast<std::size_t>(i)]);
  }
}

}  // namespace lamina::training
