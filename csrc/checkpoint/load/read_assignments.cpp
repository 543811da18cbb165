#include "checkpoint/load/read_assignments.h"

#include <lamina/error.h>

#include <deque>
#include <optional>

#include "checkpoint/transfer/device_errors.h"
#include "checkpoint/transfer/device_reads.h"
#include "checkpoint/transfer/parallel.h"
#include "checkpoint/transfer/transfer.h"
#include "core/free_memory.h"

namespace lamina::checkpoint {
namespace {

/// Every file is long enough for every tensor before the first is allocated.
void check_extents(const std::vector<Assignment>& assignments) {
  for (const auto& [variable, item] : assignments) {
    if (item.fits_file()) continue;
    throw FormatError("'" + item.reader->file().path().string() + "' is cut short: '" +
                      item.dataset->path + "' lies beyond its end.");
  }
}

std::uint64_t total_bytes(const std::vector<Assignment>& assignments) {
  std::uint64_t sum = 0;
  for (const Assignment& assignment : assignments) sum += assignment.item.dataset->nbytes;
  return sum;
}

/// True when a tensor's bytes are those in the file, but for a bool's, which `convert` makes 0
/// or 1.
bool is_raw(const h5::Dataset& dataset) {
  return dataset.plain || (dataset.offset && dataset.type.dtype == DType::kBool);
}

/// The checksums of tensors as they are read, and what the seals say that they should be.
class Verification {
 public:
  Verification(const Seals& seals, const std::vector<Assignment>& assignments)
      : assignments_(assignments) {
    for (const auto& [variable, item] : assignments) {
      found_.emplace_back(item.dataset->nbytes);
      expected_.push_back(seals.checksum(item));
    }
  }

  /// Null for a tensor that no seal speaks of.
  [[nodiscard]] TensorChecksum* checksum(std::size_t i) {
    return expected_[i] ? &found_[i] : nullptr;
  }
  /// Throws CorruptionError for the first tensor that is not as it was saved.
  void finish() const {
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      if (!expected_[i] || *expected_[i] == found_[i].value()) continue;
      const CatalogItem& item = assignments_[i].item;
      throw CorruptionError(
          damaged_tensor(*item.reader, item.dataset->path, *expected_[i], found_[i].value()));
    }
  }

 private:
  const std::vector<Assignment>& assignments_;
  std::deque<TensorChecksum> found_;
  std::vector<std::optional<std::uint32_t>> expected_;
};

/// True when the file's bytes are the variable's own: they can go to its device as they are read.
bool goes_straight_to_device(const Assignment& assignment) {
  const auto& [variable, item] = assignment;
  return variable->device() != Device::cpu() && item.dataset->plain &&
         *item.dataset->type.dtype == variable->dtype() && variable->dtype() != DType::kBool;
}

/// Tensors for the datasets' elements, as the files type them: on a device what goes straight
/// there, or nothing.
std::vector<Tensor> room_for(const std::vector<Assignment>& assignments, bool on_devices) {
  std::vector<Tensor> tensors;
  for (const Assignment& assignment : assignments) {
    const auto& [variable, item] = assignment;
    const bool straight = on_devices && goes_straight_to_device(assignment);
    tensors.push_back(Tensor::empty(item.dataset->shape, *item.dataset->type.dtype,
                                    straight ? variable->device() : Device::cpu()));
  }
  return tensors;
}

/// The same. A device on which a model is trained may have no room for its weights once more: then
/// they come by the host, where that has.
std::vector<Tensor> room_for(const std::vector<Assignment>& assignments) {
  try {
    return room_for(assignments, true);
  } catch (const DeviceError& error) {
    if (!error.out_of_memory() || total_bytes(assignments) > core::free_host_memory()) throw;
  }
  return room_for(assignments, false);
}

/// Tensors with the datasets' elements, as the files type them.
std::vector<Tensor> read_all(const std::vector<Assignment>& assignments, Verification& verification,
                             ByteProgress& progress, const DeviceTravel& travel) {
  std::vector<Tensor> tensors = room_for(assignments);
  std::vector<ReadExtent> plain;
  std::vector<std::size_t> others;
  DeviceReads on_devices;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const CatalogItem& item = assignments[i].item;
    Tensor& tensor = tensors[i];
    if (!is_raw(*item.dataset)) {
      others.push_back(i);
      continue;
    }
    if (tensor.nbytes() == 0) continue;
    const std::uint64_t offset = item.reader->base() + *item.dataset->offset;
    TensorChecksum* const checksum = verification.checksum(i);
    if (tensor.device() != Device::cpu()) {
      on_devices.add(item.reader->file(), offset, tensor, checksum);
    } else {
      plain.push_back({&item.reader->file(), offset, tensor.bytes(), checksum});
    }
  }
  read_extents(plain, progress);
  parallel_for(others.size(), io_threads(), [&](std::size_t i) {
    const CatalogItem& item = assignments[others[i]].item;
    item.reader->read(*item.dataset, tensors[others[i]].bytes());
    progress.add(tensors[others[i]].nbytes());
  });
  on_devices.run(progress, travel);
  verification.finish();
  return tensors;
}

/// Makes of what was read what the variables hold. A bool of a file may be any byte; ours are 0
/// and 1.
void convert(const std::vector<Assignment>& assignments, std::vector<Tensor>& tensors) {
  parallel_for(tensors.size(), io_threads(), [&](std::size_t i) {
    if (tensors[i].device() != Device::cpu()) return;
    if (tensors[i].dtype() == DType::kBool) {
      for (std::byte& b : tensors[i].bytes()) b = static_cast<std::byte>(b != std::byte{0});
    }
    tensors[i] = tensors[i].cast(assignments[i].variable->dtype());
  });
}

std::vector<VariablePtr> variables_of(const std::vector<Assignment>& assignments) {
  std::vector<VariablePtr> out;
  out.reserve(assignments.size());
  for (const Assignment& assignment : assignments) out.push_back(assignment.variable);
  return out;
}

}  // namespace

ReadValues read_assignments(const std::vector<Assignment>& assignments, const Seals& seals,
                            const std::filesystem::path& path, const ReadRequest& request) {
  check_extents(assignments);
  ByteProgress progress(request.progress, total_bytes(assignments));
  Verification verification(seals, assignments);
  const std::string loading = "Loading '" + path.string() + "'";
  return naming_device_errors(loading, [&] {
    std::vector<Tensor> read = read_all(assignments, verification, progress, request.travel);
    convert(assignments, read);
    return ReadValues(loading, variables_of(assignments), std::move(read));
  });
}

}  // namespace lamina::checkpoint
