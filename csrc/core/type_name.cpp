#include "core/type_name.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace lamina::core {

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string name = readable ? readable.get() : type.name();
  if (const std::size_t last = name.rfind("::"); last != std::string::npos) name.erase(0, last + 2);
  return name;
}

}  // namespace lamina::core
