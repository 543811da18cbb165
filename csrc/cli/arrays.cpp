#include "cli/arrays.h"

#include <lamina/error.h>
#include <lamina/hdf5.h>
#include <lamina/npy.h>

#include <filesystem>

namespace lamina::cli {
namespace {

bool is_hdf5(const std::string& path) {
  return path.ends_with(".h5") || path.ends_with(".hdf5");
}

Tensor read_array(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  if (colon != name.npos && is_hdf5(name.substr(0, colon))) {
    return read_hdf5(name.substr(0, colon), name.substr(colon + 1));
  }
  if (is_hdf5(name) && std::filesystem::exists(name)) {
    throw ValueError("'" + name + "': which dataset? Write " + name + ":NAME.");
  }
  return read_npy(name);
}

}  // namespace

std::vector<Tensor> read_arrays(const std::vector<std::string>& names) {
  std::vector<Tensor> arrays;
  arrays.reserve(names.size());
  for (const std::string& name : names) arrays.push_back(read_array(name));
  return arrays;
}

}  // namespace lamina::cli
