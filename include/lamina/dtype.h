#pragma once
#include <lamina/float16.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lamina {

/// Element types, with Keras's names. All are stored little-endian, as on every machine Lamina runs
/// on.
enum class DType : std::uint8_t {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) enumerator,
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
};

/// Keras's name of a dtype: "float32".
[[nodiscard]] std::string_view dtype_name(DType dtype) noexcept;

/// The dtype that Keras calls `name`. Throws ValueError for a name that is none.
[[nodiscard]] DType dtype_from_name(std::string_view name);

/// Bytes of one element in memory and in a file (bool: 1).
[[nodiscard]] std::size_t dtype_size(DType dtype) noexcept;

[[nodiscard]] bool is_floating(DType dtype) noexcept;

template <class T>
struct dtype_of;
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  template <>                                                \
  struct dtype_of<type> {                                    \
    static constexpr DType value = DType::enumerator;        \
  };
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
template <class T>
inline constexpr DType dtype_of_v = dtype_of<T>::value;

/// Calls `f` with a value-initialised element of the C++ type behind `dtype`, and returns its
/// result: `dispatch(dtype, [&]<class T>(T) { ... })`.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
#define LAMINA_DTYPE(enumerator, name, type, bits, floating) \
  case DType::enumerator:                                    \
    return f(type{}); /* NOLINT(bugprone-macro-parentheses): a type */
#include <lamina/dtype.def>
#undef LAMINA_DTYPE
  }
  __builtin_unreachable();
}

}  // namespace lamina
