#include <algorithm>
#include <utility>

#include "core/device_memory.h"
#include "runtime/devices.h"
#include "runtime/marked_tensors.h"
#include "runtime/staged_copy.h"

namespace lamina::core {
namespace {

using runtime::DeviceContext;

constexpr bool is_host(Device device) {
  return device.kind == Device::Kind::kCpu;
}

std::byte* address(Tensor& tensor) {
  return static_cast<std::byte*>(tensor.raw());
}
const std::byte* address(const Tensor& tensor) {
  return static_cast<const std::byte*>(tensor.raw());
}

/// Copies of one device's tensors on the host, of before the mark, all by one passage through the
/// ring.
void fetch(std::span<const Tensor> from, std::vector<Tensor>& to, DeviceContext& context,
           const runtime::Event& mark) {
  std::vector<runtime::Download> parts;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i].device() == context.device() && from[i].nbytes() > 0) {
      parts.push_back({to[i].bytes(), address(from[i])});
    }
  }
  if (parts.empty()) return mark.wait();
  const runtime::Event* after[] = {&mark};
  runtime::download(parts, context.staging_ring(), after);
}

std::vector<Tensor> empty_like(std::span<const Tensor> tensors, Device device) {
  std::vector<Tensor> out;
  out.reserve(tensors.size());
  for (const Tensor& tensor : tensors) {
    out.push_back(tensor.defined() ? Tensor::empty(tensor.shape(), tensor.dtype(), device)
                                   : Tensor());
  }
  return out;
}

std::vector<Tensor> copies_on_host(std::span<const Tensor> tensors) {
  std::vector<Tensor> out = empty_like(tensors, Device::cpu());
  std::vector<Device> fetched;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Device device = tensors[i].device();
    if (!tensors[i].defined()) continue;
    if (is_host(device)) {
      std::copy_n(address(tensors[i]), tensors[i].nbytes(), address(out[i]));
    } else if (std::find(fetched.begin(), fetched.end(), device) == fetched.end()) {
      const auto context = runtime::devices().get(device);
      context->with_mark([&](const runtime::Event& mark) { fetch(tensors, out, *context, mark); });
      fetched.push_back(device);
    }
  }
  return out;
}

/// Within one device the bytes need not pass through the host.
void copy_within(DeviceContext& context, const std::vector<runtime::Copy>& copies) {
  if (copies.empty()) return;
  context.with_mark([&](const runtime::Event& mark) {
    auto stream = context.streams().take();
    stream->wait(mark);
    stream->copy(copies);
    stream->synchronize();
    stream.hand_back();
  });
}

}  // namespace

std::shared_ptr<void> allocate_on(Device device, std::size_t bytes) {
  return runtime::allocate_shared(runtime::devices().get(device), bytes);
}

std::vector<Tensor> copies_on(Device device, std::span<const Tensor> tensors) {
  if (is_host(device)) return copies_on_host(tensors);
  const auto context = runtime::devices().get(device);
  std::vector<Tensor> out = empty_like(tensors, device);
  std::vector<Tensor> kept;  // what comes from another device by way of the host
  std::vector<runtime::Upload> uploads;
  std::vector<runtime::Copy> copies;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].defined() || tensors[i].nbytes() == 0) continue;
    if (tensors[i].device() == device) {
      copies.push_back({address(out[i]), address(tensors[i]), tensors[i].nbytes()});
      continue;
    }
    const bool from_host = is_host(tensors[i].device());
    kept.push_back(from_host ? tensors[i] : tensors[i].to(Device::cpu()));
    uploads.push_back({address(out[i]), std::as_const(kept.back()).bytes()});
  }
  if (!uploads.empty()) runtime::upload(uploads, context->staging_ring());
  copy_within(*context, copies);
  return out;
}

void copy_into(std::span<Tensor> to, std::span<const Tensor> from) {
  if (to.empty()) return;
  std::vector<runtime::Upload> parts;
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (from[i].nbytes() > 0) parts.push_back({address(to[i]), from[i].bytes()});
  }
  const auto context = runtime::devices().get(to[0].device());
  context->with_mark([&](const runtime::Event& mark) {
    const runtime::Event* after[] = {&mark};
    runtime::upload(parts, context->staging_ring(), after);
  });
}

}  // namespace lamina::core

namespace lamina::runtime {

std::vector<Tensor> copies_on_host(std::span<const Tensor> tensors, const DeviceMark& mark) {
  std::vector<Tensor> out = core::empty_like(tensors, Device::cpu());
  core::fetch(tensors, out, *mark.context, *mark.event);
  return out;
}

}  // namespace lamina::runtime
