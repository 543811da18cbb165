// The index of a sharded checkpoint, from strangers: parse_index must return or throw FormatError.
#include <lamina/error.h>

#include <cstdint>
#include <cstdlib>

#include "checkpoint/index/index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lamina::checkpoint;
  try {
    const Index index =
        parse_index({reinterpret_cast<const char*>(data), size}, "fuzz.weights.json");
    for (const IndexEntry& entry : index.entries) {
      for (const std::string& file : entry.files) {
        if (file.empty() || file == ".." || file.find('/') != file.npos) std::abort();
      }
    }
  } catch (const lamina::FormatError&) {
  }
  return 0;
}
