// Neighbouring elements that travel as one: a GPU reaches its memory's speed with 16 bytes a
// thread.
#pragma once
#include <cstdint>

#include "kernels/element.h"
#include "kernels/layout.h"

namespace lamina::kernels {

template <class T, int N>
struct alignas(N * sizeof(T)) Pack {
  T v[N];
};

/// As many elements as fill 16 bytes, at most 8.
template <class T>
inline constexpr int pack_size = sizeof(T) == 1 ? 8 : 16 / sizeof(T);
/// The same, at most 4: where much is kept for each.
template <class T>
inline constexpr int small_pack_size = pack_size<T> < 4 ? pack_size<T> : 4;

/// The elements from x[at] on, widened.
template <int N, class T>
LAMINA_HOST_DEVICE void load(const T* x, std::int64_t at, compute_t<T> (&out)[N]) {
  const auto pack = *reinterpret_cast<const Pack<T, N>*>(x + at);
  for (int k = 0; k < N; ++k) out[k] = widen(pack.v[k]);
}
template <int N, class T>
LAMINA_HOST_DEVICE void store(T* y, std::int64_t at, const compute_t<T> (&values)[N]) {
  Pack<T, N> pack;
  for (int k = 0; k < N; ++k) pack.v[k] = narrow<T>(values[k]);
  *reinterpret_cast<Pack<T, N>*>(y + at) = pack;
}

/// Of an operand whose elements lie as `layout` has it (see Layout::in_packs).
template <int N, class T>
LAMINA_HOST_DEVICE void load(const T* x, const Layout& layout, std::int64_t i,
                             compute_t<T> (&out)[N]) {
  const std::int64_t at = layout.at(i);
  if (N == 1 || layout.neighbours()) return load(x, at, out);
  const compute_t<T> same = widen(x[at]);
  for (int k = 0; k < N; ++k) out[k] = same;
}

template <int N, class... T>
[[nodiscard]] bool aligned(const T*... arrays) {
  return (... && (reinterpret_cast<std::uintptr_t>(arrays) % (N * sizeof(T)) == 0));
}

}  // namespace lamina::kernels
