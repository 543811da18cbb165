// The HDF5 reader on any bytes: it returns data or throws a lamina::Error.
#include <lamina/error.h>

#include <cstdint>
#include <memory>
#include <span>

#include "h5/read/reader.h"
#include "storage/memory_file.h"

namespace {

void visit(const lamina::h5::Reader& reader, const lamina::h5::VarsGroup& group) {
  constexpr std::uint64_t kMostRead = 1 << 16;
  try {
    (void)reader.find(group.path);
  } catch (const lamina::Error&) {
  }
  for (const auto& [key, dataset] : group.datasets) {
    if (dataset.nbytes > kMostRead) continue;
    std::vector<std::byte> out(dataset.nbytes);
    try {
      reader.read(dataset, out);
    } catch (const lamina::Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const lamina::h5::Reader reader(std::make_shared<lamina::storage::MemoryFile>(
        "fuzz.h5", std::vector<std::byte>(bytes.begin(), bytes.end())));
    for (const lamina::h5::VarsGroup* group : reader.groups()) visit(reader, *group);
    (void)reader.problems();
    (void)reader.has_root_member("layers");
    (void)reader.texts("/", "layer_names");
  } catch (const lamina::Error&) {
  }
  return 0;
}
