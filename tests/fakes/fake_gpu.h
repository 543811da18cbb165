#pragma once
#include <memory>

#include "runtime/devices.h"
#include "tests/fakes/fake_runtime.h"

namespace lamina::testing {

/// Runtimes of the test's own behind Device::cuda(i), for as long as this lives; tensors on them
/// may live longer. The process's own devices come back then.
class FakeGpus {
 public:
  explicit FakeGpus(std::vector<std::shared_ptr<runtime::Runtime>> runtimes,
                    const runtime::PinnedRing::Options& ring = {2, 4096})
      : runtimes_(std::move(runtimes)),
        replaced_(
            [this](Device device) { return runtimes_.at(static_cast<std::size_t>(device.index)); },
            ring) {}

 private:
  std::vector<std::shared_ptr<runtime::Runtime>> runtimes_;
  runtime::ReplacedDevices replaced_;
};

/// One fake GPU, and what the test needs to know of it.
class FakeGpu {
 public:
  explicit FakeGpu(const FakeOptions& options = {},
                   const runtime::PinnedRing::Options& ring = {2, 4096})
      : runtime_(std::make_shared<FakeRuntime>(options)), gpus_({runtime_}, ring) {}

  FakeRuntime& operator*() const { return *runtime_; }
  FakeRuntime* operator->() const { return runtime_.get(); }

 private:
  std::shared_ptr<FakeRuntime> runtime_;
  FakeGpus gpus_;
};

/// Gives the stream on which a device computes a copy of `bytes` onto `to`, as an update in place
/// would, and returns at once. The bytes must live until the stream has used them.
inline void overwrite_on_device(Device device, std::byte* to, const runtime::PinnedMemory& from,
                                std::size_t size) {
  runtime::devices().get(device)->with_stream([&](runtime::Stream& stream) {
    stream.copy(std::vector<runtime::Copy>{{to, from.address(), size}});
  });
}

}  // namespace lamina::testing
