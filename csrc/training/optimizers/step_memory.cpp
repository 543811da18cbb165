#include "training/optimizers/step_memory.h"

#include <lamina/error.h>

#include "core/buffer.h"
#include "core/device_memory.h"
#include "models/weights/saves.h"

namespace lamina::training {
namespace {

std::shared_ptr<void> allocate(Device device, std::size_t bytes) {
  return device == Device::cpu() ? core::allocate_host(bytes) : core::allocate_on(device, bytes);
}

}  // namespace

Tensor StepMemory::writable(const VariablePtr& variable) {
  try {
    return take(variable);
  } catch (const OutOfMemoryError&) {
    if (!models::wait_for_all_saves()) throw;
  } catch (const DeviceError& error) {
    if (!error.out_of_memory() || !models::wait_for_all_saves()) throw;
  }
  return take(variable);
}

Tensor StepMemory::take(const VariablePtr& variable) {
  Buffers& buffers = buffers_[variable.get()];
  const Tensor& value = variable->value();
  const long holders = buffers.current.memory.use_count();
  const bool ours = holders > 0 && value.raw() == buffers.current.data;
  if (ours && core::is_exclusive(holders)) return value;
  std::shared_ptr<void> next;
  if (buffers.spare && core::is_exclusive(buffers.spare.use_count()))
    next = std::move(buffers.spare);
  if (!next) next = allocate(variable->device(), variable->nbytes());
  buffers.spare = ours ? buffers.current.memory.lock() : nullptr;
  buffers.current = {next, next.get()};
  return Tensor::view(next.get(), variable->shape(), variable->dtype(), next, variable->device());
}

}  // namespace lamina::training
