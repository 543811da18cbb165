#include "runtime/device_context.h"

#include <lamina/error.h>

#include <algorithm>

namespace lamina::runtime {
namespace {

struct Block {
  std::shared_ptr<DeviceContext> context;
  std::unique_ptr<DeviceMemory> memory;
  Block(std::shared_ptr<DeviceContext> owner, std::unique_ptr<DeviceMemory> owned)
      : context(std::move(owner)), memory(std::move(owned)) {}
  Block(const Block&) = delete;
  ~Block() {
    context->settle();
    if (!context->in_its_process()) (void)memory.release();  // its owner is another process
  }
};

}  // namespace

PinnedRing& DeviceContext::ring() {
  require_its_process();
  const std::lock_guard lock(mutex_);
  if (!ring_) ring_ = std::make_unique<PinnedRing>(*runtime_, ring_options_);
  return *ring_;
}

PinnedRing& DeviceContext::staging_ring() {
  constexpr std::size_t kMost = std::size_t{8} << 20;
  require_its_process();
  const std::lock_guard lock(mutex_);
  if (!staging_ring_) {
    staging_ring_ = std::make_unique<PinnedRing>(
        *runtime_, PinnedRing::Options{2, std::min(kMost, ring_options_.slot_bytes)});
  }
  return *staging_ring_;
}

void DeviceContext::settle() noexcept {
  if (!computing_ || !in_its_process()) return;
  const std::lock_guard lock(mutex_);
  // A wait may fail though the work has not ended; one that fails again has no work to wait for.
  for (int attempt = 0; attempt < 2 && computing_; ++attempt) {
    try {
      stream_->synchronize();
      break;
    } catch (const std::exception&) {
      // Whoever waits for the work's results is told.
    }
  }
  computing_ = false;  // not before: who sees it does not wait
}

void DeviceContext::require_its_process() const {
  if (in_its_process()) return;
  throw DeviceError("The use of " + device_.str(), "cudaErrorInitializationError",
                    "this process was forked from one that had put the device into use already: "
                    "fork before, or start a new program",
                    SourceLocation::current());
}

void DeviceContext::end_recording_in_vain() noexcept {
  try {
    (void)stream_->end_recording();
  } catch (const std::exception&) {
    // The failure to report is the one on its way.
  }
}

std::unique_ptr<Event> DeviceContext::mark() {
  require_its_process();
  std::unique_ptr<Event> event = runtime_->make_event();
  with_stream([&](Stream& stream) { stream.record(*event); });
  return event;
}

std::shared_ptr<void> allocate_shared(std::shared_ptr<DeviceContext> context, std::size_t bytes) {
  std::unique_ptr<DeviceMemory> memory = context->runtime().allocate(bytes);
  void* address = memory->address();
  return {std::make_shared<Block>(std::move(context), std::move(memory)), address};
}

}  // namespace lamina::runtime
