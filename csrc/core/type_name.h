#pragma once
#include <string>
#include <typeinfo>

namespace lamina::core {

/// A class's name in the source, without its namespaces: "MyCallback".
[[nodiscard]] std::string type_name(const std::type_info& type);

}  // namespace lamina::core
