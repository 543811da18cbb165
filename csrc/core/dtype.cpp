#include <lamina/dtype.h>
#include <lamina/error.h>

#include <string>

#include "core/keras_bits.h"

namespace lamina {

std::string_view dtype_name(DType dtype) noexcept {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return name;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  return "?";
}

DType dtype_from_name(std::string_view wanted) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  if (wanted == (name)) return DType::enumerator;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  throw ValueError("Invalid dtype: " + std::string(wanted));
}

std::size_t dtype_size(DType dtype) noexcept {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return sizeof(type);
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  return 0;
}

int core::keras_bits(DType dtype) noexcept {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return bits;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  return 0;
}

bool is_floating(DType dtype) noexcept {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return floating;
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  return false;
}

}  // namespace lamina
