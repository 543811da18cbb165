#include "core/compute_dtype.h"
#include "ops/cuda/kernels.h"
#include "ops/jobs/layouts.h"
#include "ops/params.h"

// Of normalisations, layer norm's forward pass is cuDNN's where that has an engine. The others are
// ours. cuDNN has none for batch norm's inference and statistics by themselves. Its training node
// does statistics and values in one, for multiples of so many channels, and hands out
// 1 / sqrt(variance + epsilon), where Lamina's are two, the first giving the biased variance that
// Keras's moving average follows. Gradients ask for statistics that Lamina's layer norm does not
// keep. See tests/cudnn/engines.md.
namespace lamina::ops::cuda {
namespace {

/// The rows of (2, channels) statistics.
void take_statistics(kernels::ChannelNumbers& numbers, const void* statistics,
                     const TensorSpec& spec) {
  numbers.mean = statistics;
  numbers.variance = static_cast<const std::byte*>(statistics) + spec.nbytes() / 2;
}

template <class Numbers>
void take_scaling(Numbers& numbers, const Call& call, bool scale, bool center) {
  const ParamIndex at(scale, center);
  numbers.gamma = at.gamma ? call.param(*at.gamma) : nullptr;
  numbers.beta = at.beta ? call.param(*at.beta) : nullptr;
}

template <class Job, class Op>
Job channel_job(const Op& op) {
  Job job{};
  job.dtype = op.x.dtype;
  job.numbers.epsilon = op.epsilon;
  job.numbers.function = jobs::function(op.activation);
  job.size = op.x.shape.size();
  job.channels = op.x.shape.dims()[op.axis];
  job.inner = jobs::stride_of(op.x.shape, op.axis);
  return job;
}

}  // namespace

KernelPtr make(const Site& site, const BatchNorm& op) {
  auto job = channel_job<kernels::BatchNormJob>(op);
  return device_kernel(site, op,
                       {.run =
                            [job, op](const Call& call) mutable {
                              const ParamIndex at(op.scale, op.center);
                              take_scaling(job.numbers, call, op.scale, op.center);
                              job.numbers.mean = call.param(at.next);
                              job.numbers.variance = call.param(at.next + 1);
                              job.x = call.input(0);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = {0}});
}

KernelPtr make(const Site& site, const BatchNormTraining& op) {
  auto job = channel_job<kernels::BatchNormJob>(op);
  return device_kernel(site, op,
                       {.run =
                            [job, op](const Call& call) mutable {
                              take_scaling(job.numbers, call, op.scale, op.center);
                              take_statistics(job.numbers, call.input(1), op.statistics);
                              job.x = call.input(0);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = {0}});
}

KernelPtr make(const Site& site, const BatchNormStatistics& op) {
  kernels::MomentsJob job{};
  job.dtype = op.x.dtype;
  job.groups = jobs::groups(op.x.shape, jobs::axes_but(op.x.shape, op.axis));
  return device_kernel(site, op,
                       {.run =
                            [job, half = op.y.nbytes() / 2](const Call& call) mutable {
                              job.x = call.input(0);
                              job.mean = call.output();
                              job.variance = static_cast<std::byte*>(call.output()) + half;
                              job.parts = call.workspace();
                              call.launch(job);
                            },
                        .workspace = jobs::parts_bytes(job.groups.slices, job.groups.count)});
}

KernelPtr make(const Site& site, const BatchNormSums& op) {
  const BatchNormTraining& norm = op.of;
  kernels::BatchNormSumsJob job{};
  job.dtype = norm.x.dtype;
  job.numbers.epsilon = norm.epsilon;
  job.numbers.function = jobs::function(norm.activation);
  job.groups = jobs::groups(norm.x.shape, jobs::axes_but(norm.x.shape, norm.axis));
  return device_kernel(site, op,
                       {.run =
                            [job, norm](const Call& call) mutable {
                              take_scaling(job.numbers, call, norm.scale, norm.center);
                              take_statistics(job.numbers, call.input(1), norm.statistics);
                              job.x = call.input(0);
                              job.dy = call.input(2);
                              job.y = call.output();
                              job.parts = call.workspace();
                              call.launch(job);
                            },
                        .workspace = jobs::parts_bytes(job.groups.slices, job.groups.count)});
}

KernelPtr make(const Site& site, const BatchNormGradient& op) {
  const BatchNormTraining& norm = op.of;
  auto job = channel_job<kernels::BatchNormGradientJob>(norm);
  return device_kernel(site, op,
                       {.run =
                            [job, norm](const Call& call) mutable {
                              take_scaling(job.numbers, call, norm.scale, norm.center);
                              take_statistics(job.numbers, call.input(1), norm.statistics);
                              job.x = call.input(0);
                              job.dy = call.input(2);
                              job.sums = call.input(3);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .in_place = {0, 2}});
}

namespace {

/// What all of layer normalisation begins with: the groups' means and variances, in the workspace.
struct LayerMoments {
  kernels::MomentsJob job{};
  std::size_t mean, variance, parts;

  LayerMoments(const LayerNorm& op, std::size_t& used) {
    job.dtype = op.x.dtype;
    job.groups = jobs::groups(op.x.shape, op.axes);
    const std::size_t numbers =
        static_cast<std::size_t>(job.groups.count) * dtype_size(core::compute_dtype(op.x.dtype));
    mean = carve(used, numbers);
    variance = carve(used, numbers);
    parts = carve(used, jobs::parts_bytes(job.groups.slices, job.groups.count));
  }
  /// Computes them, and gives what normalises with them.
  [[nodiscard]] kernels::LayerNumbers run(const Call& call, const LayerNorm& op) const {
    kernels::MomentsJob now = job;
    now.x = call.input(0);
    now.mean = call.workspace(mean);
    now.variance = call.workspace(variance);
    now.parts = call.workspace(parts);
    call.launch(now);
    kernels::LayerNumbers numbers{};
    numbers.mean = now.mean;
    numbers.variance = now.variance;
    numbers.epsilon = op.epsilon;
    numbers.rms = op.rms;
    return numbers;
  }
};

/// Of a library, which has rows of memory with both parameters; rms norm is not asked of it.
std::shared_ptr<LibraryPlan> library_plan(Engine& engine, const LayerNorm& op) {
  const std::vector<std::int64_t>& dims = op.x.shape.dims();
  const std::size_t first = dims.size() - op.axes.size();
  if (op.axes.empty() || op.axes.front() != first || op.rms || !op.scale || !op.center) {
    return nullptr;
  }
  if (!has_library(op.x.dtype)) return nullptr;
  LibraryNorm norm{.dtype = op.x.dtype, .width = 1, .epsilon = op.epsilon};
  for (std::size_t i = first; i < dims.size(); ++i) norm.width *= dims[i];
  norm.rows = op.x.shape.size() / norm.width;
  return engine.plan(norm);
}

}  // namespace

KernelPtr make(const Site& site, const LayerNorm& op) {
  if (const auto plan = library_plan(*site.engine, op)) {
    return device_kernel(site, op,
                         {.run =
                              [plan](const Call& call) {
                                plan->run(call.stream(),
                                          {call.input(0), call.param(0), call.param(1),
                                           call.output(), call.workspace()});
                              },
                          .workspace = plan->workspace_bytes()});
  }
  std::size_t used = 0;
  const LayerMoments moments(op, used);
  return device_kernel(site, op,
                       {.run =
                            [moments, op](const Call& call) {
                              kernels::LayerNormJob job{};
                              job.dtype = op.x.dtype;
                              job.groups = moments.job.groups;
                              job.numbers = moments.run(call, op);
                              take_scaling(job.numbers, call, op.scale, op.center);
                              job.x = call.input(0);
                              job.y = call.output();
                              call.launch(job);
                            },
                        .workspace = used});
}

KernelPtr make(const Site& site, const LayerNormGradient& op) {
  std::size_t used = 0;
  const LayerMoments moments(op.of, used);
  const std::size_t sums =
      carve(used, 2 * static_cast<std::size_t>(moments.job.groups.count) * sizeof(double));
  return device_kernel(site, op,
                       {.run =
                            [moments, sums, norm = op.of](const Call& call) {
                              kernels::LayerNormGradientJob job{};
                              job.dtype = norm.x.dtype;
                              job.groups = moments.job.groups;
                              job.numbers = moments.run(call, norm);
                              take_scaling(job.numbers, call, norm.scale, false);
                              job.x = call.input(0);
                              job.dy = call.input(1);
                              job.y = call.output();
                              job.sums = call.workspace(sums);
                              job.parts = call.workspace(moments.parts);
                              call.launch(job);
                            },
                        .workspace = used});
}

KernelPtr make(const Site& site, const LayerNormSums& op) {
  std::size_t used = 0;
  const LayerMoments moments(op.of, used);
  const kernels::Groups& all = moments.job.groups;
  const auto across = kernels::Slices::of(all.size, all.count, false);
  const std::size_t parts = carve(used, jobs::parts_bytes(across, all.size));
  return device_kernel(site, op,
                       {.run =
                            [moments, across, parts, norm = op.of](const Call& call) {
                              kernels::LayerNormSumsJob job{};
                              job.dtype = norm.x.dtype;
                              job.groups = moments.job.groups;
                              job.across = across;
                              job.numbers = moments.run(call, norm);
                              job.x = call.input(0);
                              job.dy = call.input(1);
                              job.y = call.output();
                              job.parts = call.workspace(parts);
                              call.launch(job);
                            },
                        .workspace = used});
}

}  // namespace lamina::ops::cuda
