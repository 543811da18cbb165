#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/hdf5.h>

#include "h5/read/reader.h"

namespace lamina {

Tensor read_hdf5(const std::filesystem::path& path, const std::string& dataset) {
  const h5::Reader reader(storage::posix().open(path));
  const auto found = reader.dataset(dataset);
  if (!found) {
    throw FormatError(fmt::format("'{}' has no dataset '{}'.", path.string(), dataset));
  }
  if (!found->type.dtype) {
    throw FormatError(fmt::format("'{}': '{}' holds {}, which no tensor does.", path.string(),
                                  dataset, found->type.description));
  }
  Tensor out = Tensor::empty(found->shape, *found->type.dtype);
  reader.read(*found, out.bytes());
  if (out.dtype() == DType::kBool) {  // any byte of a file's may stand for true
    for (std::byte& b : out.bytes()) b = static_cast<std::byte>(b != std::byte{0});
  }
  return out;
}

}  // namespace lamina
