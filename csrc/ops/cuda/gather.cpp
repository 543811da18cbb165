#include <lamina/error.h>

#include <algorithm>

#include "core/compute_dtype.h"
#include "ops/cuda/kernels.h"

namespace lamina::ops::cuda {
namespace {

/// One byte an id, on the device and, once it has been fetched, on the host.
class Refused {
 public:
  Refused(const Site& site, std::int64_t count, std::int64_t rows)
      : count_(static_cast<std::size_t>(count)),
        fetched_(site.context->runtime().allocate_pinned(count_)),
        flags_(Tensor::empty({count}, DType::kUInt8, site.context->device())) {
    reset();
    check_ = site.complaints->add([this, rows] { complain(rows); });
  }

  [[nodiscard]] std::uint8_t* flags() { return static_cast<std::uint8_t*>(flags_.raw()); }
  /// After the kernel that wrote the flags.
  void fetch(runtime::Stream& stream) {
    const runtime::Copy copy[] = {
        {fetched_->address(), static_cast<const std::byte*>(flags_.raw()), count_}};
    stream.copy(copy);
  }

 private:
  void reset() {
    const auto access = fetched_->write(0, count_);
    std::fill(access.bytes().begin(), access.bytes().end(), std::byte{0});
  }
  void complain(std::int64_t rows) {
    std::ptrdiff_t at = -1;
    {
      const auto access = fetched_->read(0, count_);
      const auto bytes = access.bytes();
      const auto bad = std::find(bytes.begin(), bytes.end(), std::byte{1});
      if (bad != bytes.end()) at = bad - bytes.begin();
    }
    if (at < 0) return;
    reset();
    throw ValueError("Gather: the id at position " + std::to_string(at) + " is outside [0, " +
                     std::to_string(rows) + ").");
  }

  std::size_t count_;
  std::unique_ptr<runtime::PinnedMemory> fetched_;
  Tensor flags_;  // goes first, and not before the device is done with both
  std::shared_ptr<Complaints::Check> check_;
};

}  // namespace

KernelPtr make(const Site& site, const Gather& op) {
  kernels::GatherJob job{};
  job.element = dtype_size(op.y.dtype);
  job.ids = {op.ids.dtype, nullptr, op.rows};
  job.count = op.ids.shape.size();
  job.width = op.y.shape[-1];
  auto refused = std::make_shared<Refused>(site, job.count, op.rows);
  job.refused = refused->flags();
  return device_kernel(site, op,
                       {.run =
                            [job, refused, flows = op.flows](const Call& call) mutable {
                              job.ids.values = call.input(0);
                              job.table = flows ? call.input(1) : call.param(0);
                              job.y = call.output();
                              call.launch(job);
                              refused->fetch(call.stream());
                            },
                        .packing = {{op.y.dtype}}});
}

/// Ids that name no row have been refused by the Gather whose gradient this is.
KernelPtr make(const Site& site, const GatherGradient& op) {
  kernels::GatherGradientJob job{};
  job.dtype = op.y.dtype;
  job.ids = {op.of.ids.dtype, nullptr, op.of.rows};
  job.count = op.of.ids.shape.size();
  job.width = op.y.shape[-1];
  std::size_t used = 0;
  const std::size_t sorted =
      carve(used, 2 * static_cast<std::size_t>(job.count) * sizeof(kernels::Placed));
  const std::int64_t sums = kernels::GatherGradientJob::open_sums(job.count, job.width);
  const std::size_t open =
      carve(used, static_cast<std::size_t>(sums) * dtype_size(core::compute_dtype(op.y.dtype)));
  return device_kernel(site, op,
                       {.run =
                            [job, sorted, open](const Call& call) mutable {
                              job.ids.values = call.input(0);
                              job.dy = call.input(1);
                              job.y = call.output();
                              job.sorted =
                                  reinterpret_cast<kernels::Placed*>(call.workspace(sorted));
                              job.open = call.workspace(open);
                              call.launch(job);
                            },
                        .workspace = used});
}

}  // namespace lamina::ops::cuda
