#pragma once
#include <span>

#include "runtime/pinned_ring.h"

namespace lamina::runtime {

/// Bytes of the host and where they go on the device.
struct Upload {
  std::byte* to;
  std::span<const std::byte> from;
};

/// Bytes of the device and where they go on the host.
struct Download {
  std::span<std::byte> to;
  const std::byte* from;
};

/// Copies by way of the ring, on one of its streams: while the copies of one slot run, the host is
/// at another one; small parts travel many to a slot. The first copy waits on the device for
/// `after`. Both return when all is done; from the second of several that do not overlap on,
/// nothing is made for them. They throw DeviceError; what the copies should have
/// filled is then of no use.
void upload(std::span<const Upload> parts, PinnedRing& ring,
            std::span<const Event* const> after = {});
void download(std::span<const Download> parts, PinnedRing& ring,
              std::span<const Event* const> after = {});

}  // namespace lamina::runtime
