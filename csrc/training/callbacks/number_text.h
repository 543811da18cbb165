#pragma once
#include <string>

namespace lamina::training {

/// As Python prints it: "1.0", "1e-05", "nan".
[[nodiscard]] std::string number_text(double value);

}  // namespace lamina::training
