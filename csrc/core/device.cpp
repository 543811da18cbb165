#include <lamina/device.h>
#include <lamina/error.h>

#include <charconv>

namespace lamina {

Device Device::from_name(std::string_view name) {
  if (name == "cpu") return cpu();
  if (name == "cuda") return cuda(0);
  if (name.starts_with("cuda:")) {
    int index = -1;
    const char* end = name.data() + name.size();
    const auto [stop, status] = std::from_chars(name.data() + 5, end, index);
    if (status == std::errc() && stop == end && index >= 0) return cuda(index);
  }
  throw ValueError("Unknown device '" + std::string(name) +
                   "': expected cpu, cuda or cuda:<index>.");
}

std::string Device::str() const {
  switch (kind) {
    case Kind::kCpu:
      return "cpu";
    case Kind::kCuda:
      return "cuda:" + std::to_string(index);
  }
  return "?";
}

}  // namespace lamina
