#pragma once
#include <functional>
#include <map>

#include "runtime/device_context.h"

namespace lamina::runtime {

/// The devices in use, each put into use the first time that it is asked for. Safe to use from
/// several threads.
class Devices {
 public:
  using Factory = std::function<std::shared_ptr<Runtime>(Device)>;

  explicit Devices(Factory factory, const PinnedRing::Options& ring = {})
      : state_{std::move(factory), ring, {}} {}

  /// Throws ValueError when this build has no runtime for the device, DeviceError when the device
  /// cannot be used; the next call tries again.
  [[nodiscard]] std::shared_ptr<DeviceContext> get(Device device);
  /// The ring of devices that are not in use yet.
  void set_ring(const PinnedRing::Options& ring);

 private:
  friend class ReplacedDevices;
  struct State {
    Factory factory;
    PinnedRing::Options ring;
    std::map<std::pair<Device::Kind, int>, std::shared_ptr<DeviceContext>> contexts;
  };
  std::mutex mutex_;
  State state_;
};

/// The process's devices: those of make_runtime. A child that was forked has none in use.
[[nodiscard]] Devices& devices();
/// A mark behind all that the device has been given to compute. Throws what Devices::get throws.
[[nodiscard]] DeviceMark mark(Device device);

/// Other devices in the place of the process's own, for as long as this lives: for tests.
class ReplacedDevices {
 public:
  explicit ReplacedDevices(Devices::Factory factory, const PinnedRing::Options& ring = {});
  ~ReplacedDevices();
  ReplacedDevices(const ReplacedDevices&) = delete;
  ReplacedDevices& operator=(const ReplacedDevices&) = delete;

 private:
  Devices::State kept_;
};

}  // namespace lamina::runtime
