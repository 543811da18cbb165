#include "bench/checkpoint/numbers.h"
#include "bench/gpu/measure.h"
#include "checkpoint/transfer/device_transfer.h"
#include "runtime/devices.h"

namespace lamina::bench {
namespace {

using nlohmann::json;

/// As fast as any file can be.
class NoFile final : public storage::WritableFile {
 public:
  [[nodiscard]] const storage::Path& path() const override { return path_; }
  void resize(std::uint64_t) override {}
  void write_at(std::uint64_t, std::span<const std::byte>) override {}
  void sync() override {}
  void close() override {}

 private:
  storage::Path path_ = "nowhere";
};

json rate(const char* what, std::size_t bytes, std::vector<double> times) {
  return {{"what", what},
          {"gb_per_s", static_cast<double>(bytes) / median(std::move(times)) / 1e9}};
}

/// The runtime's copies between the device and page-locked memory, in parts of a slot.
json peak(const Settings& settings, runtime::DeviceContext& context, bool down) {
  runtime::Runtime& runtime = context.runtime();
  constexpr std::size_t kPart = std::size_t{64} << 20;
  const std::size_t part = std::min(kPart, settings.copy_bytes);
  const std::size_t parts = settings.copy_bytes / part;
  const auto device = runtime.allocate(part);
  const auto host = runtime.allocate_pinned(part);
  const auto stream = runtime.make_stream();
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) {
    times.push_back(seconds([&] {
      for (std::size_t k = 0; k < parts; ++k) {
        stream->copy(std::vector<runtime::Copy>{
            down ? runtime::Copy{host->address(), device->address(), part}
                 : runtime::Copy{device->address(), host->address(), part}});
      }
      stream->synchronize();
    }));
  }
  return rate(down ? "device to page-locked memory, peak" : "page-locked memory to device, peak",
              part * parts, std::move(times));
}

json through_the_ring(const Settings& settings, runtime::DeviceContext& context) {
  const auto device = context.runtime().allocate(settings.copy_bytes);
  NoFile file;
  const std::vector<checkpoint::DeviceWrite> all{
      {&file, 0, device->address(), settings.copy_bytes}};
  const checkpoint::ByteProgress::Callback nobody;
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) {
    checkpoint::ByteProgress progress(nobody, settings.copy_bytes);
    times.push_back(seconds([&] { checkpoint::write_from_device(all, context.ring(), progress); }));
  }
  return rate("device to host through the ring", settings.copy_bytes, std::move(times));
}

}  // namespace

json measure_copies(const Settings& settings) {
  const auto context = runtime::devices().get(settings.device);
  return {peak(settings, *context, true), peak(settings, *context, false),
          through_the_ring(settings, *context)};
}

}  // namespace lamina::bench
