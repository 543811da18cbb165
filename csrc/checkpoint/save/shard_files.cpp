#include "checkpoint/save/shard_files.h"

#include <algorithm>
#include <deque>
#include <map>

#include "checkpoint/save/staging.h"
#include "runtime/devices.h"

namespace lamina::checkpoint {
namespace {

/// The file of one shard. It is made when the first bytes come (what lies in host memory beside a
/// device's part is written then), and synced and closed when the last part is there: so few files
/// are open at a time.
class ShardFile final : public storage::WritableFile {
 public:
  ShardFile(const PreparedShard& shard, const SaveJob& job, storage::Path path,
            const Surroundings& surroundings)
      : shard_(shard),
        archived_(job.request.archived),
        path_(std::move(path)),
        around_(surroundings),
        devices_(shard.devices()),
        parts_(std::max<std::size_t>(1, devices_.size())) {}

  [[nodiscard]] const PreparedShard& shard() const { return shard_; }
  [[nodiscard]] const std::vector<Device>& devices() const { return devices_; }
  /// All that lies in host memory, or the part of one device, is written.
  void finish_part() {
    if (--parts_ > 0) return;
    if (shard_.sealer) shard_.sealer->write(opened());
    sync();
    close();
    around_.state.finish_shard();
  }

  [[nodiscard]] const storage::Path& path() const override { return path_; }
  void resize(std::uint64_t size) override { opened().resize(size); }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    opened().write_at(offset, bytes);
  }
  void sync() override { opened().sync(); }
  void close() override {
    opened().close();
    file_.reset();
  }

 private:
  storage::WritableFile& opened() {
    const std::lock_guard lock(mutex_);
    if (file_) return *file_;
    std::unique_ptr<storage::WritableFile> file = around_.storage.create(path_);
    if (!archived_.empty()) {
      file = std::make_unique<storage::ZipMemberWriter>(std::move(file), archived_,
                                                        kArchivedWeights, around_.storage);
    }
    file->resize(shard_.file_size());
    if (!devices_.empty()) write_extents(shard_.extents(file.get()), around_.progress);
    file_ = std::move(file);
    return *file_;
  }

  const PreparedShard& shard_;
  const std::vector<storage::ZipText>& archived_;
  const storage::Path path_;
  const Surroundings& around_;
  const std::vector<Device> devices_;
  std::atomic<std::size_t> parts_;
  std::mutex mutex_;  // of the opening
  std::unique_ptr<storage::WritableFile> file_;
};

using Files = std::deque<ShardFile>;

std::vector<Device> devices_of(const Files& files) {
  std::vector<Device> out;
  for (const ShardFile& file : files) {
    for (const Device device : file.devices()) {
      if (std::find(out.begin(), out.end(), device) == out.end()) out.push_back(device);
    }
  }
  return out;
}

bool all_on_devices(const std::vector<PreparedShard>& shards) {
  return std::all_of(shards.begin(), shards.end(), [](const PreparedShard& shard) {
    return std::none_of(shard.tensors.begin(), shard.tensors.end(),
                        [](const PlacedTensor& each) { return each.device == Device::cpu(); });
  });
}

/// The files of which all lies in host memory.
void write_from_host(Files& files, const Surroundings& around) {
  std::vector<WriteExtent> extents;
  for (ShardFile& file : files) {
    if (!file.devices().empty()) continue;
    const std::vector<WriteExtent> part = file.shard().extents(&file);
    extents.insert(extents.end(), part.begin(), part.end());
  }
  write_extents(extents, around.progress,
                [](storage::WritableFile& file) { dynamic_cast<ShardFile&>(file).finish_part(); });
}

void write_from(Device device, Files& files, const SaveJob& job, const Surroundings& around,
                std::function<void()> copied) {
  std::vector<DeviceWrite> extents;
  for (ShardFile& file : files) {
    const std::vector<DeviceWrite> part = file.shard().extents_on(device, &file);
    extents.insert(extents.end(), part.begin(), part.end());
  }
  const std::vector<const runtime::Event*> after = marks_of(device, job);
  const auto context = runtime::devices().get(device);
  write_from_device(
      extents, context->ring(), around.progress,
      {.after = after,
       .copied = std::move(copied),
       .file_written =
           [](storage::WritableFile& file) { dynamic_cast<ShardFile&>(file).finish_part(); },
       .timeline = job.request.travel.timeline,
       .threads = job.request.travel.threads});
}

}  // namespace

void write_shards(const std::vector<PreparedShard>& shards, const SaveJob& job, NewFiles& new_files,
                  const Surroundings& around) {
  Files files;
  for (const PreparedShard& shard : shards) {
    files.emplace_back(shard, job, new_files.stage(shard.name), around);
  }
  write_from_host(files, around);
  around.state.throw_if_cancelled();
  std::vector<Device> devices = devices_of(files);
  const bool fence_lifts_early = all_on_devices(shards);
  for (const Device device : devices) {
    const bool lifts = fence_lifts_early && device == devices.back();
    write_from(device, files, job, around, [&around, lifts] {
      if (lifts) around.state.finish_copy();
    });
    around.state.throw_if_cancelled();
  }
  around.state.finish_copy();
}

}  // namespace lamina::checkpoint
