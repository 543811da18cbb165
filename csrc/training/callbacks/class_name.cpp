#include <lamina/callbacks.h>

#include <string>
#include <string_view>
#include <typeinfo>

#include "core/type_name.h"

namespace lamina {

std::string Callback::class_name() const {
  constexpr std::string_view kSuffix = "Callback";
  std::string name = core::type_name(typeid(*this));
  if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) {
    name.resize(name.size() - kSuffix.size());
  }
  return name;
}

}  // namespace lamina
