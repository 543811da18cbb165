#include <lamina/error.h>

#include <cstring>

#include "core/convert.h"
#include "ops/cuda/kernels.h"
#include "ops/jobs/layouts.h"
#include "ops/resize_weights.h"

namespace lamina::ops::cuda {

KernelPtr make(const Site& site, const Concat& op) {
  struct Part {
    kernels::CopyJob job;
    std::size_t offset;  ///< bytes from the start of the output
  };
  std::vector<Part> parts;
  std::size_t offset = 0;
  const Strides strides = row_major(op.y.shape);
  for (const TensorSpec& x : op.xs) {
    kernels::CopyJob job{};
    job.element = dtype_size(op.y.dtype);
    job.size = x.shape.size();
    job.from = jobs::dense(job.size);
    job.to = jobs::layout(x.shape.dims(), strides);
    parts.push_back({job, offset});
    offset += static_cast<std::size_t>(x.shape.dims()[op.axis] * strides[op.axis]) * job.element;
  }
  return device_kernel(site, op, {.run = [parts](const Call& call) {
                         for (std::size_t i = 0; i < parts.size(); ++i) {
                           kernels::CopyJob job = parts[i].job;
                           job.x = call.input(i);
                           job.y = static_cast<std::byte*>(call.output()) + parts[i].offset;
                           call.launch(job);
                         }
                       }});
}

KernelPtr make(const Site& site, const Pad& op) {
  kernels::PadJob job{};
  job.element = dtype_size(op.y.dtype);
  dispatch(op.y.dtype, [&]<class T>(T) {
    const T value = core::convert<double, T>(op.value);
    std::memcpy(&job.value, &value, sizeof(T));
  });
  if (op.x.shape.rank() > kernels::kMaxRank) {
    throw UnsupportedError("Padding of more than " + std::to_string(kernels::kMaxRank) +
                           " dimensions is not supported on CUDA devices.");
  }
  job.rank = static_cast<int>(op.x.shape.rank());
  for (std::size_t i = 0; i < op.x.shape.rank(); ++i) {
    job.in[i] = op.x.shape.dims()[i];
    job.out[i] = op.y.shape.dims()[i];
    job.before[i] = op.before[i];
  }
  job.size = op.y.shape.size();
  return device_kernel(site, op, {.run = [job](const Call& call) mutable {
                         job.x = call.input(0);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

KernelPtr make(const Site& site, const Transpose& op) {
  kernels::CopyJob job{};
  job.element = dtype_size(op.y.dtype);
  const Strides own = row_major(op.x.shape);
  Strides strides;
  for (const std::size_t axis : op.perm) strides.push_back(own[axis]);
  job.from = jobs::layout(op.y.shape.dims(), strides);
  job.size = op.y.shape.size();
  job.to = jobs::dense(job.size);
  return device_kernel(site, op, {.run = [job](const Call& call) mutable {
                         job.x = call.input(0);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

KernelPtr make(const Site& site, const Reshape& op) {
  return device_kernel(
      site, op,
      {.run =
           [bytes = op.y.nbytes()](const Call& call) {
             if (call.input(0) == call.output()) return;
             const runtime::Copy copy[] = {{static_cast<std::byte*>(call.output()),
                                            static_cast<const std::byte*>(call.input(0)), bytes}};
             call.stream().copy(copy);
           },
       .in_place = {0}});
}

namespace {

/// Taps as three arrays on a device.
struct DeviceTaps {
  Tensor starts, positions, weights;
  [[nodiscard]] kernels::Taps taps() const {
    return {static_cast<const std::int32_t*>(starts.raw()),
            static_cast<const std::int32_t*>(positions.raw()),
            static_cast<const double*>(weights.raw())};
  }
};

/// The taps of each output position, or, turned round, the outputs that each input position is in.
DeviceTaps taps(const Resize2D& op, std::int64_t axis, bool turned, Device device) {
  const std::vector<ResizeTaps> all = resize_taps(op, axis);
  std::vector<std::vector<std::pair<std::int32_t, double>>> lists(
      static_cast<std::size_t>((turned ? op.x : op.y).shape[axis]));
  for (std::size_t o = 0; o < all.size(); ++o) {
    for (std::size_t k = 0; k < all[o].weights.size(); ++k) {
      const std::size_t i = static_cast<std::size_t>(all[o].first) + k;
      lists[turned ? i : o].emplace_back(static_cast<std::int32_t>(turned ? o : i),
                                         all[o].weights[k]);
    }
  }
  std::vector<std::int32_t> starts{0}, positions;
  std::vector<double> weights;
  for (const auto& list : lists) {
    for (const auto& [position, weight] : list) {
      positions.push_back(position);
      weights.push_back(weight);
    }
    starts.push_back(static_cast<std::int32_t>(positions.size()));
  }
  const auto there = [&](const auto& values) {
    return Tensor::from(values, {static_cast<std::int64_t>(values.size())}).to(device);
  };
  return {there(starts), there(positions), there(weights)};
}

/// `from` resampled to `to`, by the taps of a resize or by those turned round.
KernelPtr resample(const Site& site, const OpSpec& spec, const Resize2D& op, bool turned) {
  const Shape& from = turned ? op.y.shape : op.x.shape;
  const Shape& to = turned ? op.x.shape : op.y.shape;
  kernels::ResizeJob job{};
  job.dtype = op.y.dtype;
  job.in_height = from[1];
  job.in_width = from[2];
  job.height = to[1];
  job.width = to[2];
  job.channels = to[3];
  job.size = to.size();
  const Device device = site.context->device();
  const DeviceTaps rows = taps(op, 1, turned, device);
  const DeviceTaps columns = taps(op, 2, turned, device);
  return device_kernel(site, spec, {.run = [job, rows, columns](const Call& call) mutable {
                         job.rows = rows.taps();
                         job.columns = columns.taps();
                         job.x = call.input(0);
                         job.y = call.output();
                         call.launch(job);
                       }});
}

}  // namespace

KernelPtr make(const Site& site, const Resize2D& op) {
  return resample(site, op, op, false);
}
KernelPtr make(const Site& site, const Resize2DGradient& op) {
  return resample(site, op, op.of, true);
}

}  // namespace lamina::ops::cuda
