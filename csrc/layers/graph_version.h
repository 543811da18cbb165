#pragma once
#include <cstdint>

namespace lamina::layers {

/// What a model or a layer that begins to compute something else has for its version from then on:
/// more than any had before.
[[nodiscard]] std::uint64_t next_graph_version() noexcept;
/// The last one that was given; all begin with 1.
[[nodiscard]] std::uint64_t newest_graph_version() noexcept;

}  // namespace lamina::layers
