#include "runtime/host/host_runtime.h"

#include <lamina/error.h>

#include "runtime/aligned_bytes.h"
#include "runtime/host/host_stream.h"

namespace lamina::runtime {
namespace {

/// Memory of either kind: here they differ in name only.
template <class Base>
class HostMemory final : public Base {
 public:
  HostMemory(AlignedBytes bytes, std::size_t size)
      : Base(bytes.get(), size), bytes_(std::move(bytes)) {}

 private:
  AlignedBytes bytes_;
};

template <class Base>
std::unique_ptr<Base> make_memory(std::size_t size,
                                  SourceLocation where = SourceLocation::current()) {
  try {
    return std::make_unique<HostMemory<Base>>(page_aligned(size), size);
  } catch (const std::bad_alloc&) {
    throw DeviceError("aligned_alloc", "ENOMEM", std::to_string(size) + " bytes", where, true);
  }
}

}  // namespace

std::unique_ptr<DeviceMemory> HostRuntime::allocate(std::size_t bytes) {
  return make_memory<DeviceMemory>(bytes);
}

std::unique_ptr<PinnedMemory> HostRuntime::allocate_pinned(std::size_t bytes) {
  return make_memory<PinnedMemory>(bytes);
}

std::unique_ptr<Stream> HostRuntime::make_stream() {
  return std::make_unique<HostStream>();
}

std::unique_ptr<Event> HostRuntime::make_event() {
  return std::make_unique<HostEvent>();
}

}  // namespace lamina::runtime
