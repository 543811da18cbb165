#include <cxxabi.h>
#include <lamina/callbacks.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>

namespace lamina {

std::string Callback::class_name() const {
  constexpr std::string_view kSuffix = "Callback";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), &std::free);
  std::string name = readable ? readable.get() : typeid(*this).name();
  if (const std::size_t last = name.rfind("::"); last != std::string::npos) name.erase(0, last + 2);
  if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) {
    name.resize(name.size() - kSuffix.size());
  }
  return name;
}

}  // namespace lamina
