#pragma once
#include "runtime/runtime.h"

namespace lamina::runtime {

/// The host as its own device: a thread a stream, copies by memcpy.
class HostRuntime final : public Runtime {
 public:
  [[nodiscard]] std::unique_ptr<DeviceMemory> allocate(std::size_t bytes) override;
  [[nodiscard]] std::unique_ptr<PinnedMemory> allocate_pinned(std::size_t bytes) override;
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override;
  [[nodiscard]] std::unique_ptr<Event> make_event() override;
};

}  // namespace lamina::runtime
