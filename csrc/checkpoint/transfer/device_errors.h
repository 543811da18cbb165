#pragma once
#include <lamina/error.h>

#include <string>
#include <utility>

namespace lamina::checkpoint {

/// Calls `work`; a device's failure is told with what was being done.
template <class F>
decltype(auto) naming_device_errors(const std::string& doing, F&& work) {
  try {
    return std::forward<F>(work)();
  } catch (const DeviceError& error) {
    throw DeviceError(doing, error);
  }
}

}  // namespace lamina::checkpoint
