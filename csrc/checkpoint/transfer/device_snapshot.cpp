#include "checkpoint/transfer/device_snapshot.h"

#include "core/free_memory.h"
#include "runtime/devices.h"
#include "runtime/staged_copy.h"

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kAlignment = 256;  // what CUDA gives to allocations of their own

std::size_t room(const Tensor& tensor) {
  return (tensor.nbytes() + kAlignment - 1) / kAlignment * kAlignment;
}

std::size_t room(std::span<const Tensor> tensors) {
  std::size_t sum = 0;
  for (const Tensor& tensor : tensors) sum += room(tensor);
  return sum;
}

}  // namespace

std::vector<Tensor> copies_beside(std::span<const Tensor> tensors,
                                  std::span<const runtime::Event* const> after, std::size_t spare) {
  const Device device = tensors.front().device();
  const auto context = runtime::devices().get(device);
  // A runtime tells what is free only by giving it.
  auto unused = spare > 0 ? context->runtime().allocate(spare) : nullptr;
  const std::shared_ptr<void> block = runtime::allocate_shared(context, room(tensors));
  unused.reset();
  auto* at = static_cast<std::byte*>(block.get());
  std::vector<Tensor> out;
  std::vector<runtime::Copy> copies;
  for (const Tensor& tensor : tensors) {
    out.push_back(Tensor::view(at, tensor.shape(), tensor.dtype(), block, device));
    copies.push_back({at, static_cast<const std::byte*>(tensor.raw()), tensor.nbytes()});
    at += room(tensor);
  }
  auto stream = context->streams().take();
  for (const runtime::Event* event : after) stream->wait(*event);
  stream->copy(copies);
  stream->synchronize();
  stream.hand_back();
  return out;
}

std::vector<Tensor> copies_in_host_memory(std::span<const Tensor> tensors,
                                          std::span<const runtime::Event* const> after) {
  std::vector<Tensor> out;
  std::vector<runtime::Download> parts;
  for (const Tensor& tensor : tensors) {
    out.push_back(Tensor::empty(tensor.shape(), tensor.dtype()));
    parts.push_back({out.back().bytes(), static_cast<const std::byte*>(tensor.raw())});
  }
  const auto context = runtime::devices().get(tensors.front().device());
  runtime::download(parts, context->ring(), after);
  return out;
}

std::size_t spare_memory(std::span<const Tensor> tensors) {
  return room(tensors) / 8;
}

bool fit_in_host_memory(std::span<const Tensor> tensors) {
  return room(tensors) + spare_memory(tensors) <= core::free_host_memory();
}

}  // namespace lamina::checkpoint
