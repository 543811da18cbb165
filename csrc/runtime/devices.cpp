#include "runtime/devices.h"

#include <lamina/devices.h>
#include <lamina/error.h>

#include <string>

#include "core/per_process.h"
#include "runtime/runtimes.h"

namespace lamina::runtime {

std::shared_ptr<DeviceContext> Devices::get(Device device) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<DeviceContext>& context = state_.contexts[{device.kind, device.index}];
  if (!context) {
    try {
      context = std::make_shared<DeviceContext>(device, state_.factory(device), state_.ring);
    } catch (const DeviceError& error) {
      throw DeviceError("The device " + device.str() + " cannot be used", error);
    }
  }
  return context;
}

void Devices::set_ring(const PinnedRing::Options& ring) {
  const std::lock_guard lock(mutex_);
  state_.ring = ring;
}

Devices& devices() {
  // Never destroyed: objects that live longer may still hold tensors of a device, and CUDA itself
  // may be gone when statics are.
  return core::PerProcess<Devices, make_runtime>::get();
}

DeviceMark mark(Device device) {
  std::shared_ptr<DeviceContext> context = devices().get(device);
  std::unique_ptr<Event> event = context->mark();
  return {std::move(context), std::move(event)};
}

ReplacedDevices::ReplacedDevices(Devices::Factory factory, const PinnedRing::Options& ring)
    : kept_{std::move(factory), ring, {}} {
  Devices& all = devices();
  const std::lock_guard lock(all.mutex_);
  std::swap(all.state_, kept_);
}

ReplacedDevices::~ReplacedDevices() {
  Devices& all = devices();
  const std::lock_guard lock(all.mutex_);
  std::swap(all.state_, kept_);
}

}  // namespace lamina::runtime

void lamina::set_transfer_memory(const TransferMemory& memory) {
  if (memory.slots == 0 || memory.slot_bytes == 0) {
    throw ValueError(std::string("Transfers need at least one slot of at least one byte. ")
                         .append("Received: slots=")
                         .append(std::to_string(memory.slots))
                         .append(", slot_bytes=")
                         .append(std::to_string(memory.slot_bytes)));
  }
  runtime::devices().set_ring({memory.slots, memory.slot_bytes});
}
