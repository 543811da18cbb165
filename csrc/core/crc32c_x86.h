#pragma once
#include <cstddef>
#include <cstdint>

// The bodies that need instructions which not every processor has. They take and give the
// checksum's register, which is the checksum inverted.
namespace lamina::core::crc32c_x86 {

[[nodiscard]] bool has_instructions();
[[nodiscard]] bool has_paired();
[[nodiscard]] bool has_wide();
[[nodiscard]] std::uint32_t with_instructions(std::uint32_t state, const std::byte* bytes,
                                              std::size_t size);
[[nodiscard]] std::uint32_t with_paired(std::uint32_t state, const std::byte* bytes,
                                        std::size_t size);
[[nodiscard]] std::uint32_t with_wide(std::uint32_t state, const std::byte* bytes,
                                      std::size_t size);

}  // namespace lamina::core::crc32c_x86
