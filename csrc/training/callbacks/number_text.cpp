#include "training/callbacks/number_text.h"

#include <fmt/format.h>

#include <cmath>

#include "checkpoint/names/python_text.h"

namespace lamina::training {

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";  // whatever its sign
  return std::isinf(value) ? fmt::format("{}", value) : checkpoint::python_float(value);
}

}  // namespace lamina::training
