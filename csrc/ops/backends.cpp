#include <lamina/error.h>

#include "ops/backend.h"
#include "ops/cpu/cpu_backend.h"

namespace lamina::ops {

std::shared_ptr<Backend> make_backend(Device device) {
  switch (device.kind) {
    case Device::Kind::kCpu:
      return std::make_shared<CpuBackend>();
    case Device::Kind::kCuda:
      break;
  }
  throw ValueError("This build of Lamina has no backend for the device " + device.str() + ".");
}

}  // namespace lamina::ops
