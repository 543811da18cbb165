#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "checkpoint/transfer/device_transfer.h"
#include "runtime/runtime.h"
#include "tests/fakes/memory_image.h"

namespace lamina::testing {

/// Values of one device tensor and where they lie in which file.
struct PlacedTensor {
  std::size_t file;
  std::uint64_t offset;
  std::vector<std::byte> values;
  std::unique_ptr<runtime::DeviceMemory> device;
};

/// A random model on a device, and the files for it. The files' memory is of the test alone.
class DeviceTree {
 public:
  DeviceTree(runtime::Runtime& runtime, std::mt19937_64& random, std::size_t tensors,
             std::size_t largest, FileFaults* faults = nullptr)
      : runtime_(runtime) {
    std::vector<std::uint64_t> ends{0};
    for (std::size_t i = 0; i < tensors; ++i) {
      if (i > 0 && random() % 8 == 0) ends.push_back(0);
      const std::size_t size = random() % 3 == 0 ? random() % largest : random() % 300;
      std::uint64_t& end = ends.back();
      if (random() % 3 == 0)
        end = random() % 2 == 0 ? end + random() % 100 : (end / 4096 + 1) * 4096;
      tensors_.push_back({ends.size() - 1, end, std::vector<std::byte>(size), nullptr});
      for (std::byte& byte : tensors_.back().values) byte = static_cast<std::byte>(random());
      end += size;
    }
    for (std::size_t i = 0; i < ends.size(); ++i) {
      files_.push_back(std::make_unique<MemoryImage>("file" + std::to_string(i), ends[i], faults));
    }
  }

  /// Puts the values on the device.
  void upload() {
    const auto stream = runtime_.make_stream();
    for (PlacedTensor& tensor : tensors_) {
      tensor.device = runtime_.allocate(tensor.values.size());
      const auto host = runtime_.allocate_pinned(tensor.values.size());
      {
        const auto access = host->write(0, host->size());
        std::copy(tensor.values.begin(), tensor.values.end(), access.bytes().begin());
      }
      stream->copy(std::vector<runtime::Copy>{
          {tensor.device->address(), host->address(), tensor.values.size()}});
      stream->synchronize();
    }
  }
  [[nodiscard]] bool device_holds_values() {
    const auto stream = runtime_.make_stream();
    for (PlacedTensor& tensor : tensors_) {
      const auto host = runtime_.allocate_pinned(tensor.values.size());
      stream->copy(std::vector<runtime::Copy>{
          {host->address(), tensor.device->address(), tensor.values.size()}});
      stream->synchronize();
      const auto access = host->read(0, host->size());
      if (!std::equal(tensor.values.begin(), tensor.values.end(), access.bytes().begin()))
        return false;
    }
    return true;
  }
  [[nodiscard]] bool files_hold_values() const { return image() == contents(); }
  /// Files as a save should leave them, and tensors without values on the device.
  void prepare_load() {
    const auto wanted = image();
    for (std::size_t i = 0; i < files_.size(); ++i) files_[i]->bytes = wanted[i];
    for (PlacedTensor& tensor : tensors_) {
      tensor.device = runtime_.allocate(tensor.values.size());
    }
  }
  void fresh_files(FileFaults* faults = nullptr) {
    for (auto& file : files_) {
      const storage::Path path = static_cast<storage::WritableFile&>(*file).path();
      file = std::make_unique<MemoryImage>(path, file->bytes.size(), faults);
    }
  }

  [[nodiscard]] std::vector<checkpoint::DeviceWrite> writes() const {
    std::vector<checkpoint::DeviceWrite> out;
    for (const PlacedTensor& tensor : tensors_) {
      out.push_back({files_[tensor.file].get(), tensor.offset, tensor.device->address(),
                     tensor.values.size()});
    }
    return out;
  }
  [[nodiscard]] std::vector<checkpoint::DeviceRead> reads() const {
    std::vector<checkpoint::DeviceRead> out;
    for (const PlacedTensor& tensor : tensors_) {
      out.push_back({files_[tensor.file].get(), tensor.offset, tensor.device->address(),
                     tensor.values.size()});
    }
    return out;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<MemoryImage>>& files() const { return files_; }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const PlacedTensor& tensor : tensors_) sum += tensor.values.size();
    return sum;
  }

 private:
  using Contents = std::vector<std::vector<std::byte>>;
  [[nodiscard]] Contents image() const {
    Contents out;
    for (const auto& file : files_) out.emplace_back(file->bytes.size(), MemoryImage::kUnwritten);
    for (const PlacedTensor& tensor : tensors_) {
      std::copy(tensor.values.begin(), tensor.values.end(),
                out[tensor.file].begin() + static_cast<std::ptrdiff_t>(tensor.offset));
    }
    return out;
  }
  [[nodiscard]] Contents contents() const {
    Contents out;
    for (const auto& file : files_) out.push_back(file->bytes);
    return out;
  }

  runtime::Runtime& runtime_;
  std::vector<PlacedTensor> tensors_;
  std::vector<std::unique_ptr<MemoryImage>> files_;
};

}  // namespace lamina::testing
