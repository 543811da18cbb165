#include "timeline_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "checkpoint/transfer/device_transfer.h"
#include "runtime/host/host_runtime.h"
#include "runtime/pinned_ring.h"

namespace lamina::bench {
namespace {

using checkpoint::TimelineSpan;
using std::filesystem::path;

constexpr std::size_t kFiles = 4;
constexpr std::size_t kFileBytes = std::size_t{256} << 20;
constexpr std::size_t kTensorBytes = std::size_t{64} << 20;

// Of the drawing, in its units.
constexpr double kLeft = 90, kWidth = 900, kTop = 40, kLane = 26, kGap = 6;

std::size_t lane_of(const TimelineSpan& span) {
  return span.slot * 2 + (span.lane == TimelineSpan::Lane::kStorage ? 1 : 0);
}

std::string lane_labels(std::size_t lanes) {
  std::string out;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    out += fmt::format("<text x='{}' y='{}' text-anchor='end'>slot {} {}</text>\n", kLeft - 8,
                       kTop + static_cast<double>(lane) * (kLane + kGap) + kLane * 0.68, lane / 2,
                       lane % 2 == 0 ? "copy" : "write");
  }
  return out;
}

std::string bar(const TimelineSpan& span, double start, double scale) {
  constexpr std::array kColours{"#4477aa", "#ee6677", "#228833", "#ccbb44"};
  return fmt::format(
      "<rect x='{:.2f}' y='{:.2f}' width='{:.2f}' height='{}' fill='{}' fill-opacity='{}' "
      "stroke='#333' stroke-width='0.5'><title>file {}: {:.1f} ms to {:.1f} ms</title></rect>\n",
      kLeft + (span.start - start) * scale,
      kTop + static_cast<double>(lane_of(span)) * (kLane + kGap),
      std::max((span.end - span.start) * scale, 0.5), kLane, kColours[span.file % kColours.size()],
      span.lane == TimelineSpan::Lane::kCopy ? 0.55 : 1.0, span.file, (span.start - start) * 1e3,
      (span.end - start) * 1e3);
}

std::string time_axis(double length, double scale, double y) {
  const double step = length > 0.5 ? 0.1 : length > 0.2 ? 0.05 : 0.02;
  std::string out;
  for (double at = 0; at <= length; at += step) {
    const double x = kLeft + at * scale;
    out += fmt::format(
        "<line x1='{0:.1f}' x2='{0:.1f}' y1='{1}' y2='{2}' stroke='#ccc' stroke-width='0.5'/>"
        "<text x='{0:.1f}' y='{3}' text-anchor='middle'>{4:.0f} ms</text>\n",
        x, kTop - 4, y, y + 16, at * 1e3);
  }
  return out;
}

}  // namespace

std::vector<TimelineSpan> record_timeline(const path& directory) {
  runtime::HostRuntime host;
  runtime::PinnedRing ring(host, {});
  std::vector<std::unique_ptr<runtime::DeviceMemory>> tensors;
  std::vector<std::unique_ptr<storage::WritableFile>> files;
  std::vector<checkpoint::DeviceWrite> writes;
  for (std::size_t i = 0; i < kFiles; ++i) {
    files.push_back(storage::posix().create(directory / fmt::format("timeline{}", i)));
    files.back()->resize(kFileBytes);
    for (std::size_t at = 0; at < kFileBytes; at += kTensorBytes) {
      tensors.push_back(host.allocate(kTensorBytes));
      std::memset(tensors.back()->address(), 'x', kTensorBytes);
      writes.push_back({files.back().get(), at, tensors.back()->address(), kTensorBytes});
    }
  }
  checkpoint::Timeline timeline;
  checkpoint::ByteProgress progress({}, kFiles * kFileBytes);
  checkpoint::write_from_device(writes, ring, progress, {.timeline = &timeline});
  for (std::size_t i = 0; i < kFiles; ++i) {
    files[i]->close();
    std::filesystem::remove(directory / fmt::format("timeline{}", i));
  }
  return timeline.spans();
}

std::string plot_svg(const std::vector<TimelineSpan>& spans) {
  double start = spans.front().start, end = start;
  std::size_t lanes = 0;
  for (const TimelineSpan& span : spans) {
    start = std::min(start, span.start);
    end = std::max(end, span.end);
    lanes = std::max(lanes, lane_of(span) + 1);
  }
  const double scale = kWidth / (end - start);
  const double bottom = kTop + static_cast<double>(lanes) * (kLane + kGap);
  std::string out = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {} {}' font-family='sans-serif' "
      "font-size='11'>\n<rect width='100%' height='100%' fill='white'/>\n"
      "<text x='{}' y='20' font-size='13'>1 GiB in 64 MiB tensors through a ring of {} slots into "
      "{} files (a colour each): {:.2f} s</text>\n",
      kLeft + kWidth + 20, bottom + 30, kLeft, lanes / 2, kFiles, end - start);
  out += time_axis(end - start, scale, bottom);
  out += lane_labels(lanes);
  for (const TimelineSpan& span : spans) out += bar(span, start, scale);
  return out + "</svg>\n";
}

}  // namespace lamina::bench
