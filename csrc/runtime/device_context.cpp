#include "runtime/device_context.h"

namespace lamina::runtime {
namespace {

struct Block {
  std::shared_ptr<DeviceContext> context;
  std::unique_ptr<DeviceMemory> memory;
};

}  // namespace

PinnedRing& DeviceContext::ring() {
  const std::lock_guard lock(mutex_);
  if (!ring_) ring_ = std::make_unique<PinnedRing>(*runtime_, ring_options_);
  return *ring_;
}

std::unique_ptr<Event> DeviceContext::mark() {
  std::unique_ptr<Event> event = runtime_->make_event();
  with_stream([&](Stream& stream) { stream.record(*event); });
  return event;
}

std::shared_ptr<void> allocate_shared(std::shared_ptr<DeviceContext> context, std::size_t bytes) {
  std::unique_ptr<DeviceMemory> memory = context->runtime().allocate(bytes);
  void* address = memory->address();
  return {std::make_shared<Block>(Block{std::move(context), std::move(memory)}), address};
}

}  // namespace lamina::runtime
