#include "checkpoint/verify/verify_tensors.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

#include "checkpoint/transfer/parallel.h"
#include "checkpoint/transfer/tensor_checksum.h"
#include "core/buffer.h"
#include "core/crc32c.h"

namespace lamina::checkpoint {
namespace {

constexpr std::size_t kPart = std::size_t{4} << 20;  // large enough to be read past the page cache

struct CheckedTensor {
  CheckedTensor(const h5::Reader& of, const SealedTensor& what)
      : reader(of), tensor(what), checksum(what.place.size) {}

  const h5::Reader& reader;
  const SealedTensor& tensor;
  TensorChecksum checksum;
  std::exception_ptr failure = {};  ///< of reading
};

struct Part {
  CheckedTensor* of;
  std::uint64_t at;
  std::size_t size;
};

void read_part(const Part& part, std::span<std::byte> buffer) {
  const h5::Reader& reader = part.of->reader;
  std::uint32_t checksum = 0;
  reader.file().read_and_show(
      reader.base() + part.of->tensor.place.offset + part.at, buffer.first(part.size),
      [&](std::span<const std::byte> bytes) { checksum = core::crc32c(bytes, checksum); });
  part.of->checksum.add(part.at, part.size, checksum);
}

void read_all(const std::vector<Part>& parts, ByteProgress& progress) {
  std::atomic<std::size_t> next = 0;
  std::mutex failures;
  parallel_for(io_threads(), io_threads(), [&](std::size_t) {
    const auto memory = core::allocate_host(kPart);
    const std::span<std::byte> buffer(static_cast<std::byte*>(memory.get()), kPart);
    for (std::size_t i = next++; i < parts.size(); i = next++) {
      try {
        read_part(parts[i], buffer);
      } catch (const Error&) {
        const std::lock_guard lock(failures);
        parts[i].of->failure = std::current_exception();
      }
      progress.add(parts[i].size);
    }
  });
}

}  // namespace

void verify_tensors(const std::vector<OpenedSeal>& files, ByteProgress& progress,
                    VerifyReport& report) {
  std::deque<CheckedTensor> tensors;
  std::vector<Part> parts;
  for (const OpenedSeal& file : files) {
    for (const SealedTensor& tensor : file.sealed->tensors) {
      CheckedTensor& checked = tensors.emplace_back(*file.reader, tensor);
      for (std::uint64_t at = 0; at < tensor.place.size; at += kPart) {
        const std::uint64_t left = tensor.place.size - at;
        parts.push_back(
            {&checked, at, static_cast<std::size_t>(std::min<std::uint64_t>(left, kPart))});
      }
    }
  }
  read_all(parts, progress);
  for (const auto& [reader, tensor, checksum, failure] : tensors) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const Error& error) {
        note(error, "'" + tensor.path + "' cannot be read: " + error.what(), report);
      }
    } else if (checksum.value() != tensor.crc32c) {
      report.problems.push_back(
          damaged_tensor(reader, tensor.path, tensor.crc32c, checksum.value()));
    }
  }
}

}  // namespace lamina::checkpoint
