// Archives of any bytes: each member is found and read, or a FormatError is thrown.
#include <lamina/error.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "storage/memory_file.h"
#include "storage/zip_member.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lamina::storage;
  constexpr std::uint64_t kMost = 1 << 20;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto archive = std::make_shared<MemoryFile>(
      "fuzz.keras", std::vector<std::byte>(bytes.begin(), bytes.end()));
  for (const char* name : {"metadata.json", "config.json", "model.weights.h5"}) {
    ZipMember member;
    try {
      member = open_member(archive, name, kMost);
    } catch (const lamina::FormatError&) {
    }
    std::vector<std::byte> out(member.size);
    if (member.file) member.file->read_at(member.base, out);  // it lies within: nothing is thrown
    try {
      if (read_member(archive, name, kMost).size() > kMost) std::abort();
    } catch (const lamina::FormatError&) {
    }
  }
  return 0;
}
